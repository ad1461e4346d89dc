import { choice } from '../members.ts';

/** The member that says which of the two algorithms is meant. */
export const schemeMember = choice('algorithm', ['tdes', 'aes']);
