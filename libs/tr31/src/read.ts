import { checkFields, checkOptionalBlocks, checkPayloadLength } from './check.ts';
import { Tr31Error } from './errors.ts';
import { type Finding, finding } from './findings.ts';
import { hexForm } from './hex.ts';
import { fixedHeaderLength, type KeyBlockHeader } from './key-block-header.ts';
import { type PlacedOptionalBlock, readOptionalBlocks } from './optional-blocks.ts';
import { rowOf, type Version, type VersionId, versions } from './tables.ts';

/** A header taken apart, and where its parts stand. */
export interface ReadHeader {
  header: KeyBlockHeader;
  version: Version;
  optionalBlocks: PlacedOptionalBlock[];
  /** Length in characters, optional blocks included. */
  length: number;
}

/**
 * Reads the header at the start of `text` and reports everything that is wrong with it, by itself and in combination.
 * Returns undefined after a structural finding, that is where the rest could not be followed.
 */
export function readHeader(text: string, findings: Finding[]): ReadHeader | undefined {
  const stop = (
    code: 'TR31_CHARACTERS' | 'TR31_TOO_SHORT' | 'TR31_VERSION' | 'TR31_OPTIONAL_COUNT',
    start: number,
    end: number,
    message: string,
  ) => {
    findings.push(finding(code, start, end, message));
    return undefined;
  };

  const unprintable = firstUnprintable(text);
  if (unprintable >= 0) {
    return stop('TR31_CHARACTERS', unprintable, unprintable + 1, 'a key block is printable ASCII');
  }
  if (text.length < fixedHeaderLength) {
    return stop(
      'TR31_TOO_SHORT',
      0,
      text.length,
      `a header is ${fixedHeaderLength} characters, got ${text.length}`,
    );
  }
  const versionId = text[0]!;
  const version = rowOf(versions, versionId);
  if (!version) return stop('TR31_VERSION', 0, 1, `version id ${versionId}, expected A, B, C, D or E`);
  const count = readDecimal(text, 12, 14);
  if (count === undefined) {
    return stop('TR31_OPTIONAL_COUNT', 12, 14, 'the number of optional blocks is two decimal digits');
  }
  const optionalBlocks = readOptionalBlocks(text, fixedHeaderLength, count, findings);
  if (!optionalBlocks) return undefined;

  const header: KeyBlockHeader = {
    versionId: versionId as VersionId,
    keyUsage: text.slice(5, 7),
    algorithm: text[7]!,
    modeOfUse: text[8]!,
    keyVersion: text.slice(9, 11),
    exportability: text[11]!,
    keyContext: text[14]!,
    optionalBlocks: optionalBlocks.map(({ id, data }) => ({ id, data })),
  };
  const length = optionalBlocks.at(-1)?.end ?? fixedHeaderLength;
  checkFields(header, text[15]!, findings);
  checkOptionalBlocks(header, version, optionalBlocks, findings);
  return { header, version, optionalBlocks, length };
}

/** A whole key block taken apart: header, then key data and MAC in hex. */
export interface ReadKeyBlock {
  head: ReadHeader;
  /** Where the MAC begins, in characters; the key data stand between header and MAC. */
  macStart: number;
}

/**
 * As `readHeader`, for a whole key block: also the length field, the key data and the MAC. Throws TR31_ARGUMENT for
 * what is not a string.
 */
export function readKeyBlock(text: string, findings: Finding[]): ReadKeyBlock | undefined {
  if (typeof text !== 'string') {
    throw new Tr31Error('TR31_ARGUMENT', `a key block is a string, got ${typeof text}`);
  }
  const head = readHeader(text, findings);
  const length = readDecimal(text, 1, 5);
  if (text.length >= fixedHeaderLength && length !== text.length) {
    const message = `the length field is ${length ?? 'not four decimal digits'}, the key block has ${text.length} characters`;
    findings.push(finding('TR31_LENGTH', 1, 5, message));
  }
  if (!head) return undefined;

  const { header, version, length: start } = head;
  const macStart = text.length - 2 * version.macBytes;
  const payloadDigits = macStart - start;
  const form = hexForm(text, start, text.length);
  if (form === 'none') {
    const at = start + text.slice(start).search(/[^0-9A-Fa-f]/);
    findings.push(finding('TR31_PAYLOAD', at, at + 1, 'key data and MAC are hex digits'));
    return undefined;
  }
  const unit = 2 * version.payloadUnitBytes;
  if (payloadDigits < 4 || payloadDigits % unit !== 0) {
    const message = `the key data are ${Math.max(0, payloadDigits)} digits, expected a multiple of ${unit} and 4 at least`;
    findings.push(finding('TR31_PAYLOAD', Math.min(start, text.length), text.length, message));
    return undefined;
  }
  if (form === 'mixed') {
    const at = start + text.slice(start).search(/[a-f]/);
    findings.push(finding('TR31_HEX_LOWER_CASE', at, at + 1, 'lower-case hex digit in key data or MAC'));
  }
  checkPayloadLength(header, version, start, macStart, findings);
  return { head, macStart };
}

function readDecimal(text: string, start: number, end: number): number | undefined {
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (!(digit >= 0 && digit <= 9)) return undefined; // also past the end, where it is NaN
    value = value * 10 + digit;
  }
  return value;
}

/** Position of the first character that is not printable ASCII, or −1. */
function firstUnprintable(text: string): number {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x20 || code > 0x7e) return at;
  }
  return -1;
}
