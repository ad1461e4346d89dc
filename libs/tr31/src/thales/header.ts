import { Tr31Error } from '../errors.ts';
import type { Finding } from '../findings.ts';
import { field } from '../format.ts';
import {
  formatOptionalBlock,
  type OptionalBlock,
  type PlacedOptionalBlock,
  readOptionalBlocks,
} from '../optional-blocks.ts';

/** Header of a Thales key block, without the scheme tag S in front. */
export interface ThalesHeader {
  /** `0` under a 3DES key, `1` under an AES key. */
  versionId: '0' | '1';
  /** Two characters, see `thalesKeyUsages`. */
  keyUsage: string;
  /** One letter: A AES, D DES, T 3DES, E elliptic curve, H HMAC, R RSA, S DSA. */
  algorithm: string;
  /** One letter of B C D E G N S V X. */
  modeOfUse: string;
  /** Two characters: `00` not used, `c` and a digit for a component. */
  keyVersion: string;
  /** One letter: E, N or S. */
  exportability: string;
  /** `00` to `19`; `FF` for a block under a ZMK. */
  lmkId: string;
  optionalBlocks: OptionalBlock[];
}

export interface ParsedThalesHeader {
  header: ThalesHeader;
  /** The header as it stands in the block, optional blocks included. */
  text: string;
}

export const fixedHeaderLength = 16;

/** Cipher block in bytes, and MAC in bytes. */
export const thalesVersions = {
  '0': { cipher: 'TDES', blockBytes: 8, macBytes: 4 },
  '1': { cipher: 'AES', blockBytes: 16, macBytes: 8 },
} as const;

/**
 * Reads the header of a Thales key block, the text after the tag S: version(1) length(4) usage(2) algorithm(1) mode(1)
 * key version(2) exportability(1) count(2) LMK id(2). Unknown usages, algorithms and modes are kept. Throws Tr31Error:
 * THALES_FORMAT, THALES_OPTIONAL_BLOCK, THALES_OPTIONAL_BLOCK_REPEATED.
 */
export function parseThalesHeader(block: Uint8Array | string): ParsedThalesHeader {
  const whole = typeof block === 'string' ? block : Buffer.from(block).toString('latin1');
  const fixed = /^([01])(\d{4})([0-9A-Z]{2})([A-Z])([A-Z])([0-9A-Z]{2}|c\d)([ENS])(\d\d)(\d\d|FF)$/.exec(
    whole.slice(0, fixedHeaderLength),
  );
  if (!fixed)
    throw new Tr31Error('THALES_FORMAT', 'the first 16 characters are not a Thales key block header');
  const [versionId, length, keyUsage, algorithm, modeOfUse, keyVersion, exportability, count, lmkId] =
    fixed.slice(1) as ['0' | '1', string, string, string, string, string, string, string, string];
  if (Number(length) !== whole.length) {
    throw new Tr31Error(
      'THALES_FORMAT',
      `the length field is ${length}, the key block has ${whole.length} characters`,
    );
  }

  const findings: Finding[] = [];
  const placed = readOptionalBlocks(whole, fixedHeaderLength, Number(count), findings);
  const [broken] = findings;
  if (!placed || broken) throw new Tr31Error('THALES_OPTIONAL_BLOCK', broken!.message, findings);
  checkOptionalBlocks(placed, thalesVersions[versionId].blockBytes);
  const text = whole.slice(0, placed.at(-1)?.end ?? fixedHeaderLength);
  // The MAC is over one byte for each character: of others it would see the low byte only.
  if (!/^[\x20-\x7e]*$/.test(text)) {
    throw new Tr31Error('THALES_FORMAT', 'a Thales key block header is printable ASCII');
  }
  return {
    header: {
      versionId,
      keyUsage,
      algorithm,
      modeOfUse,
      keyVersion,
      exportability,
      lmkId,
      optionalBlocks: placed.map(({ id, data }) => ({ id, data })),
    },
    text,
  };
}

/** Writes the header for a block of `keyBlockLength` characters, as `formatHeader` does; `parseThalesHeader` checks. */
export function formatThalesHeader(header: ThalesHeader, keyBlockLength: number): string {
  const { optionalBlocks } = header;
  const fixed = formatFixedThalesHeader(header, keyBlockLength, optionalBlocks.length);
  return fixed + optionalBlocks.map(formatOptionalBlock).join('');
}

/** The first 16 characters. */
export function formatFixedThalesHeader(
  header: ThalesHeader,
  keyBlockLength: number,
  optionalBlockCount: number,
): string {
  return (
    field(header, 'versionId', 1) +
    keyBlockLength.toString().padStart(4, '0') +
    field(header, 'keyUsage', 2) +
    field(header, 'algorithm', 1) +
    field(header, 'modeOfUse', 1) +
    field(header, 'keyVersion', 2) +
    field(header, 'exportability', 1) +
    optionalBlockCount.toString().padStart(2, '0') +
    field(header, 'lmkId', 2)
  );
}

/**
 * What a payShield is said to check (CryptoCarver, medium trust; no vector has optional blocks): 00 key status,
 * 01 and 02 methods, 03 and 04 dates, 05 text, KV four characters, PB last; together a multiple of the cipher block.
 */
const contentForms: Readonly<Record<string, RegExp>> = {
  '00': /^[ELPRT]$/, // expired, live, pending, revoked, test
  '01': /^00$/, // encryption method
  '02': /^00$/, // authentication method
  '03': /^\d{4}:\d\d:\d\d:\d\d$/, // start date, YYYY:MM:DD:HH
  '04': /^\d{4}:\d\d:\d\d:\d\d$/, // end date
  '05': /./, // text, not empty
  KV: /^.{4}$/,
};

function checkOptionalBlocks(blocks: PlacedOptionalBlock[], blockBytes: number): void {
  for (const [n, { id, data }] of blocks.entries()) {
    if (blocks.findIndex((other) => other.id === id) < n) {
      throw new Tr31Error('THALES_OPTIONAL_BLOCK_REPEATED', `optional block ${id} stands there twice`);
    }
    if (contentForms[id]?.test(data) === false) {
      throw new Tr31Error('THALES_OPTIONAL_BLOCK', `the data of optional block ${id} have the wrong form`);
    }
    if (id === 'PB' && n !== blocks.length - 1) {
      throw new Tr31Error('THALES_OPTIONAL_BLOCK', 'optional block PB is not the last');
    }
  }
  const length = (blocks.at(-1)?.end ?? fixedHeaderLength) - fixedHeaderLength;
  if (length % blockBytes !== 0) {
    throw new Tr31Error(
      'THALES_OPTIONAL_BLOCK',
      `the optional blocks are ${length} characters, expected a multiple of ${blockBytes}`,
    );
  }
}
