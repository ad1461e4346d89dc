import { Tr31Error } from './errors.ts';
import type { KeyBlockHeader } from './key-block-header.ts';
import { formatOptionalBlock } from './optional-blocks.ts';

/** Largest value of the four decimal digits of the length field. */
const longestKeyBlock = 9999;
const mostOptionalBlocks = 99;

/**
 * The characters of a header, optional blocks included, for a key block of `keyBlockLength` characters. Writes the
 * fields as they are: `parseHeader` is the check. ANSI X9.143:2021, 6.2, table 1:
 * version(1) length(4) usage(2) algorithm(1) mode(1) key version(2) exportability(1) count(2) context(1) reserved(1)
 */
export function formatHeader(header: KeyBlockHeader, keyBlockLength: number): string {
  const { optionalBlocks } = header;
  if (keyBlockLength > longestKeyBlock || optionalBlocks.length > mostOptionalBlocks) {
    throw new Tr31Error(
      'TR31_BLOCK_TOO_LONG',
      `a key block has at most ${longestKeyBlock} characters and ${mostOptionalBlocks} optional blocks, ` +
        `got ${keyBlockLength} and ${optionalBlocks.length}`,
    );
  }
  let text =
    header.versionId +
    decimal(keyBlockLength, 4) +
    header.keyUsage +
    header.algorithm +
    header.modeOfUse +
    header.keyVersion +
    header.exportability +
    decimal(optionalBlocks.length, 2) +
    header.keyContext +
    '0'; // reserved
  for (const block of optionalBlocks) text += formatOptionalBlock(block);
  return text;
}

function decimal(value: number, digits: number): string {
  return value.toString().padStart(digits, '0');
}
