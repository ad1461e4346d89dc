import { inspectKeyBlock } from '@openkdh/tr31/header';
import { defineCommand } from '../command.ts';
import { text } from '../members.ts';
import { columns } from '../text/rows.ts';
import { findingText } from '../text/underline.ts';

const longestValue = 24;

/** Explains a key block. Without a key nothing of it is authenticated. */
export const decode = defineCommand({
  name: 'keyblock decode',
  summary:
    'Explains every field and optional block of a key block, and every rule that it breaks. Needs no key.',
  members: { keyBlock: text('the key block') },
  positional: 'keyBlock',
  run: ({ keyBlock }) => {
    const { fields, findings } = inspectKeyBlock(keyBlock);
    return { fields, findings };
  },
  text: ({ fields, findings }, { keyBlock }) => {
    const table = fields.map(({ name, at, value, words }) => [
      String(at.start),
      name,
      shortened(value),
      words,
    ]);
    const explained = findings.map((finding) => `\n${findingText(finding, keyBlock)}`);
    return columns(table) + (explained.join('') || '\nNo rule of ANSI X9.143:2021 is broken.\n');
  },
});

function shortened(value: string): string {
  return value.length <= longestValue ? value : `${value.slice(0, longestValue - 1)}…`;
}
