import { Tr31Error } from './errors.ts';
import type { KeyBlockHeader } from './key-block-header.ts';
import { formatOptionalBlock } from './optional-blocks.ts';

/** Largest value of the four decimal digits of the length field. */
const longestKeyBlock = 9999;
const mostOptionalBlocks = 99;

/**
 * The characters of a header, optional blocks included, for a key block of `keyBlockLength` characters. The values are
 * written as they are, `parseHeader` is their check. Throws Tr31Error: TR31_ARGUMENT for a field that has not its
 * number of characters, TR31_BLOCK_TOO_LONG.
 */
export function formatHeader(header: KeyBlockHeader, keyBlockLength: number): string {
  const { optionalBlocks } = header;
  const fixed = formatFixedHeader(header, keyBlockLength, optionalBlocks.length);
  return fixed + optionalBlocks.map(formatOptionalBlock).join('');
}

/**
 * The first 16 characters. ANSI X9.143:2021, 6.2, table 1:
 * version(1) length(4) usage(2) algorithm(1) mode(1) key version(2) exportability(1) count(2) context(1) reserved(1)
 */
export function formatFixedHeader(
  header: KeyBlockHeader,
  keyBlockLength: number,
  optionalBlockCount: number,
): string {
  if (keyBlockLength > longestKeyBlock || optionalBlockCount > mostOptionalBlocks) {
    throw new Tr31Error(
      'TR31_BLOCK_TOO_LONG',
      `a key block has at most ${longestKeyBlock} characters and ${mostOptionalBlocks} optional blocks, ` +
        `got ${keyBlockLength} and ${optionalBlockCount}`,
    );
  }
  return (
    field(header, 'versionId', 1) +
    keyBlockLength.toString().padStart(4, '0') +
    field(header, 'keyUsage', 2) +
    field(header, 'algorithm', 1) +
    field(header, 'modeOfUse', 1) +
    field(header, 'keyVersion', 2) +
    field(header, 'exportability', 1) +
    optionalBlockCount.toString().padStart(2, '0') +
    field(header, 'keyContext', 1) +
    '0' // reserved
  );
}

/** A field of another length would move all that follow it: another header than the one that was asked for. */
export function field<Name extends string>(
  header: Record<Name, string>,
  name: Name,
  characters: number,
): string {
  const value = header[name];
  if (value.length === characters) return value;
  throw new Tr31Error('TR31_ARGUMENT', `${name} is ${characters} characters, got ${value.length}`);
}
