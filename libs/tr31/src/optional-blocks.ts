import { Tr31Error } from './errors.ts';
import { type Finding, finding } from './findings.ts';
import { hexForm } from './hex.ts';

/** One optional block as written: two characters of ID, and the data without ID and length. */
export interface OptionalBlock {
  id: string;
  data: string;
}

/** Source of random bytes. */
export type Random = (bytes: number) => Uint8Array;

/** An optional block and where it stands in the key block. */
export interface PlacedOptionalBlock extends OptionalBlock {
  start: number;
  dataStart: number;
  end: number;
}

/**
 * Takes `count` optional blocks apart, from `start` on. ANSI X9.143:2021, 6.3.6:
 * ID(2) length(2 hex), or ID(2) 00 length-of-length(2 hex) length; the length counts everything from the ID.
 * Returns undefined, and a structural finding, where the text cannot be followed.
 */
export function readOptionalBlocks(
  text: string,
  start: number,
  count: number,
  findings: Finding[],
): PlacedOptionalBlock[] | undefined {
  const blocks: PlacedOptionalBlock[] = [];
  let at = start;
  for (let n = 1; n <= count; n++) {
    const block = readOptionalBlock(text, at, n, findings);
    if (!block) return undefined;
    if (hexForm(text, at + 2, block.dataStart) === 'mixed') {
      const message = `block ${block.id}: lower-case hex digit in its length`;
      findings.push(finding('TR31_HEX_LOWER_CASE', at + 2, block.dataStart, message));
    }
    blocks.push(block);
    at = block.end;
  }
  return blocks;
}

function readOptionalBlock(
  text: string,
  start: number,
  n: number,
  findings: Finding[],
): PlacedOptionalBlock | undefined {
  const broken = (end: number, message: string) => {
    const at = Math.min(end, text.length);
    findings.push(
      finding('TR31_OPTIONAL_FRAMING', Math.min(start, at), at, `optional block ${n}: ${message}`),
    );
    return undefined;
  };

  if (start + 4 > text.length) return broken(text.length, 'the text ends before its ID and length');
  const id = text.slice(start, start + 2);
  const shortLength = readHex(text, start + 2, 2);
  if (shortLength === undefined) return broken(start + 4, 'its length is not two hex digits');
  if (shortLength > 0) {
    if (shortLength < 4) return broken(start + 4, `its length ${shortLength} is less than 4, its own head`);
    if (start + shortLength > text.length) return broken(text.length, 'it ends after the end of the text');
    return place(text, id, start, start + 4, start + shortLength);
  }

  const announced = readHex(text, start + 4, 2);
  if (announced === undefined) return broken(start + 6, 'its length of length is not two hex digits');
  // psec and paysec write 02 for a length of two *bytes*, that is four digits. No other reading is possible: two
  // digits announce at most FF, which the short form holds.
  const digits = announced === 2 ? 4 : announced;
  const length = readHex(text, start + 6, digits);
  const dataStart = start + 6 + digits;
  if (length === undefined) return broken(dataStart, `its length is not ${digits} hex digits`);
  if (length < dataStart - start) return broken(dataStart, `its length ${length} is less than its own head`);
  if (start + length > text.length) return broken(text.length, 'it ends after the end of the text');

  if (announced === 2) {
    const message = `block ${id}: the length of length 02 counts bytes; X9.143 writes 04, in characters`;
    findings.push(finding('TR31_OPTIONAL_LENGTH_IN_BYTES', start + 4, start + 6, message));
  } else if (announced !== 4) {
    const message = `block ${id}: the length of length is ${text.slice(start + 4, start + 6)}, expected 04`;
    findings.push(finding('TR31_OPTIONAL_LENGTH_OF_LENGTH', start + 4, start + 6, message));
  }
  if (length - (dataStart - start) <= mostShortData) {
    const message = `block ${id}: the extended length is for more than ${mostShortData} characters of data`;
    findings.push(finding('TR31_OPTIONAL_EXTENDED_NEEDLESS', start + 2, dataStart, message));
  }
  return place(text, id, start, dataStart, start + length);
}

const mostShortData = 0xff - 4;

function place(text: string, id: string, start: number, dataStart: number, end: number): PlacedOptionalBlock {
  return { id, data: text.slice(dataStart, end), start, dataStart, end };
}

/** The number that up to four hex digits write, or undefined. */
function readHex(text: string, start: number, digits: number): number | undefined {
  const field = text.slice(start, start + digits);
  return digits > 0 && digits <= 4 && field.length === digits && /^[0-9A-Fa-f]+$/.test(field)
    ? Number.parseInt(field, 16)
    : undefined;
}

/**
 * Writes one block, in the extended form of X9.143 only where the data need it. Throws TR31_ARGUMENT for an ID that is
 * not two characters.
 */
export function formatOptionalBlock(block: OptionalBlock): string {
  if (block.id.length !== 2) {
    throw new Tr31Error(
      'TR31_ARGUMENT',
      `the ID of an optional block is 2 characters, got ${block.id.length}`,
    );
  }
  const short = block.data.length + 4;
  if (short <= 0xff) return `${block.id}${hex(short, 2)}${block.data}`;
  return `${block.id}0004${hex(block.data.length + 10, 4)}${block.data}`;
}

function hex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, '0');
}

/**
 * Characters that a padding block needs, ID and length included, to fill `length` characters of optional blocks up to
 * the multiple of the version; 0 where none is due. A padding block has 4 characters at least.
 */
export function paddingBlockLength(length: number, blockBytes: number): number {
  const missing = (blockBytes - (length % blockBytes)) % blockBytes;
  return missing === 0 || missing >= 4 ? missing : missing + blockBytes;
}

/** The blocks as written, with a block PB behind them where one is due, and how many they are. */
export function formatPaddedBlocks(
  blocks: OptionalBlock[],
  blockBytes: number,
  random: Random,
): { text: string; count: number } {
  let text = '';
  for (const block of blocks) text += formatOptionalBlock(block);
  const padding = paddingBlockLength(text.length, blockBytes);
  if (padding === 0) return { text, count: blocks.length };
  let data = '';
  for (const byte of random(padding - 4)) data += fillers[byte % fillers.length];
  return { text: text + formatOptionalBlock({ id: 'PB', data }), count: blocks.length + 1 };
}

// Letters and digits only: HSM protocols delimit with other characters. Not evenly spread, and no secret.
const fillers = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
