import { describeToken, deviations } from '@openkdh/tr34/tokens';
import { defineCommand } from '../command.ts';
import { der } from '../members.ts';
import { rows } from '../text/rows.ts';
import { headerText } from './header.ts';
import { dialectMember } from './trust.ts';

/** Describes a token of any kind. */
export const show = defineCommand({
  name: 'tr34 show',
  summary: 'Shows what a token of any kind says. Verifies nothing.',
  members: { token: der('the token'), dialect: dialectMember },
  positional: 'token',
  run: ({ token, dialect }) => describeToken(token, dialect),
  text: (description) => {
    const words = description.deviations.map((deviation) => deviations[deviation]);
    const { header } = description;
    return rows({ ...description, deviations: words }) + (header === undefined ? '' : headerText(header));
  },
});
