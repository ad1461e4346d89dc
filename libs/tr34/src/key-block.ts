/**
 * The key block inside the envelope of a key token, in clear. TR-34:2019, B.2.2.2 and Annex D:
 *
 *   SEQUENCE { version INTEGER, IssuerAndSerialNumber of the KDH, key OCTET STRING, header }
 */
import { headerAttribute, parseOctetAttribute } from './attributes.ts';
import { DerReader, octetString, sequence, smallInteger, smallIntegerOf, tags } from './der.ts';
import { type DialectName, type Reading, writes } from './dialects.ts';
import { Tr34Error } from './errors.ts';
import { headerBytes, headerText } from './header.ts';
import { oids } from './oids.ts';

export interface KeyBlock {
  /** IssuerAndSerialNumber of the KDH, DER. */
  readonly kdh: Uint8Array;
  readonly key: Uint8Array;
  /** At least 16 characters. */
  readonly header: string;
}

/** DER of a key block. The result holds the key: the caller wipes it. */
export function buildKeyBlock({ kdh, key, header }: KeyBlock, dialect: DialectName): Uint8Array<ArrayBuffer> {
  const keyOctets = octetString(key);
  try {
    return sequence(
      smallInteger(writes(dialect, 'key-block-version-1') ? 1 : 0),
      kdh,
      keyOctets,
      writes(dialect, 'key-block-header-as-attribute')
        ? headerAttribute(header)
        : octetString(headerBytes(header)),
    );
  } finally {
    keyOctets.fill(0);
  }
}

/**
 * Reads a decrypted key block with its padding.
 * @returns views into `plaintext`, which the caller wipes
 * @throws TR34_MALFORMED, TR34_HEADER_INVALID, TR34_DIALECT
 */
export function parseKeyBlock(plaintext: Uint8Array, blockLength: number, reading: Reading): KeyBlock {
  const padded = new DerReader(plaintext, 'content');
  const keyBlock = padded.next(tags.sequence, 'keyBlock');
  requirePadding(plaintext.subarray(keyBlock.bytes.length), blockLength, reading);
  const block = new DerReader(keyBlock.content, 'KeyBlock');
  const version = smallIntegerOf(block.next(tags.integer, 'version'));
  if (version === 1) reading.meet('key-block-version-1');
  else if (version !== 0)
    throw new Tr34Error('TR34_MALFORMED', `KeyBlock: expected version 0 or 1, got ${version}`);
  const kdh = block.next(tags.sequence, 'issuerAndSerialNumber').bytes;
  const key = block.next(tags.octetString, 'clearKey').content;
  const header = parseHeader(block, reading);
  block.end();
  return { kdh, key, header };
}

function parseHeader(block: DerReader, reading: Reading): string {
  const bare = block.optional(tags.octetString, 'keyBlockHeader');
  if (bare) return headerText(bare.content);
  const attribute = block.next(tags.sequence, 'keyBlockHeader').bytes;
  reading.meet('key-block-header-as-attribute');
  return headerText(parseOctetAttribute(attribute, oids.data, 'keyBlockHeader'));
}

/** RFC 5652, 6.3: 1 to a whole block of bytes, each with their number. */
function requirePadding(padding: Uint8Array, blockLength: number, reading: Reading): void {
  if (padding.length === 0) reading.meet('padding-absent');
  else if (padding.length > blockLength || padding.some((octet) => octet !== padding.length)) {
    throw new Tr34Error('TR34_MALFORMED', `expected 1 to ${blockLength} bytes of padding with their number`);
  }
}
