import { unwrap as unwrapKeyBlock } from '@openkdh/tr31';
import { defineCommand } from '../command.ts';
import { takeHex } from '../hex.ts';
import { secretHex, text } from '../members.ts';
import { rows } from '../text/rows.ts';
import { findingText } from '../text/underline.ts';
import { profileMember } from './profile.ts';

/** Authenticates and decrypts a key block. */
export const unwrap = defineCommand({
  name: 'keyblock unwrap',
  summary: 'Authenticates a key block and shows the key in it, in clear.',
  members: {
    kbpk: secretHex('key block protection key'),
    keyBlock: text('the key block'),
    profile: profileMember,
  },
  positional: 'keyBlock',
  run: ({ kbpk, keyBlock, profile }) => {
    const { key, header, deviations } = unwrapKeyBlock(kbpk, keyBlock, { profile });
    const { optionalBlocks } = header;
    return { key: takeHex(key), header: keyBlock.slice(0, 16), optionalBlocks, deviations };
  },
  underlined: ({ keyBlock }) => keyBlock,
  text: ({ deviations, ...answer }, { keyBlock, profile }) => {
    const explained = deviations.map(
      (finding) => `\nLet pass by ${profile}: ${findingText(finding, keyBlock)}`,
    );
    return rows(answer) + explained.join('');
  },
});
