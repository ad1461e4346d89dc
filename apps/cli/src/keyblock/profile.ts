import { type ProfileName, profiles } from '@openkdh/tr31/header';
import { choice, optional } from '../members.ts';

/** The member that names what to let pass. */
export const profileMember = optional(
  choice('what to let pass (strict)', Object.keys(profiles) as ProfileName[]),
);
