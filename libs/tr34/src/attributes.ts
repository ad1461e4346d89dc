/** The signed attributes of a token. RFC 5652, 5.3 and 11; TR-34 adds the nonce and the key block header. */
import {
  concat,
  type Der,
  DerReader,
  derOrder,
  encode,
  equalBytes,
  octetString,
  oid,
  oidOf,
  readDer,
  sequence,
  setOf,
  tags,
  time,
  timeOf,
} from './der.ts';
import { type DialectName, type Reading, writes } from './dialects.ts';
import { Tr34Error } from './errors.ts';
import { headerBytes, headerText } from './header.ts';
import { oids } from './oids.ts';

/** The attributes that TR-34 uses. A token may have more; they are signed and otherwise ignored. */
export interface SignedAttributes {
  /** Dotted form. */
  readonly contentType: string;
  /** SHA-256 of the content, 32 bytes. */
  readonly messageDigest: Uint8Array;
  /** The nonce of the KRD, 8 to 16 bytes: two-pass key token, unbind and rebind by the KDH. */
  readonly nonce?: Uint8Array;
  /** Header of the key block, at least 16 characters: key tokens. */
  readonly keyBlockHeader?: string;
  readonly signingTime?: Date;
}

/**
 * DER of the attributes as a SET, which is what gets signed. Sorted as DER asks, or in the order of TR-34's samples.
 */
export function buildAttributes(attributes: SignedAttributes, dialect: DialectName): Uint8Array<ArrayBuffer> {
  const { contentType, messageDigest, nonce, keyBlockHeader, signingTime } = attributes;
  // The order of B.8 and B.9.
  const list = [
    attribute(oids.contentType, oid(contentType)),
    ...(nonce ? [nonceAttribute(nonce)] : []),
    ...(signingTime ? [attribute(oids.signingTime, time(signingTime))] : []),
    ...(keyBlockHeader === undefined ? [] : [headerAttribute(keyBlockHeader)]),
    attribute(oids.messageDigest, octetString(messageDigest)),
  ];
  return encode(tags.set, ...(writes(dialect, 'signed-attributes-unsorted') ? list : derOrder(list)));
}

/** Attribute ::= SEQUENCE { attrType OBJECT IDENTIFIER, attrValues SET OF AttributeValue }. RFC 5652, 5.3. */
const attribute = (type: string, value: Uint8Array) => sequence(oid(type), setOf(value));

/** The key block header as an attribute, in the signed attributes and in a key block that has it so. */
export function headerAttribute(header: string): Uint8Array<ArrayBuffer> {
  return attribute(oids.data, octetString(headerBytes(header)));
}

/** The nonce as an attribute: RT_KRD is this and nothing else. */
export function nonceAttribute(nonce: Uint8Array): Uint8Array<ArrayBuffer> {
  requireNonceLength(nonce);
  return attribute(oids.randomNonce, octetString(nonce));
}

/** @throws TR34_NONCE_LENGTH unless 8 to 16 bytes */
export function requireNonceLength(nonce: Uint8Array): void {
  if (nonce.length < 8 || nonce.length > 16) {
    throw new Tr34Error('TR34_NONCE_LENGTH', `expected a nonce of 8 to 16 bytes, got ${nonce.length}`);
  }
}

/**
 * Reads attributes.
 * @param content of the SET, as encoded
 * @throws TR34_MALFORMED when a known attribute comes twice or has not exactly one value
 */
export function parseAttributes(content: Uint8Array, reading: Reading): SignedAttributes {
  const list = new DerReader(content, 'signedAttrs').rest(tags.sequence, 'attribute');
  if (!equalBytes(concat(...derOrder(list.map(({ bytes }) => bytes))), content)) {
    reading.meet('signed-attributes-unsorted');
  }
  const values = new Map<string, Der>();
  for (const { content } of list) {
    const { type, value } = parseAttribute(content);
    if (!known.has(type)) continue;
    if (values.has(type) || !value) {
      throw new Tr34Error('TR34_MALFORMED', `signedAttrs: expected one attribute ${type} with one value`);
    }
    values.set(type, value);
  }
  const contentType = values.get(oids.contentType);
  const messageDigest = values.get(oids.messageDigest);
  if (!contentType || messageDigest?.tag !== tags.octetString) {
    throw new Tr34Error('TR34_MALFORMED', 'signedAttrs: expected contentType and messageDigest');
  }
  const nonce = values.get(oids.randomNonce);
  const header = values.get(oids.data);
  const signingTime = values.get(oids.signingTime);
  return {
    contentType: oidOf(contentType),
    messageDigest: messageDigest.content,
    ...(nonce && { nonce: nonceOf(nonce) }),
    ...(header && { keyBlockHeader: headerText(octetsOf(header, 'header')) }),
    ...(signingTime && { signingTime: timeOf(signingTime) }),
  };
}

const known: ReadonlySet<string> = new Set([
  oids.contentType,
  oids.messageDigest,
  oids.randomNonce,
  oids.data,
  oids.signingTime,
]);

/** Type and, if there is exactly one, value of an attribute. @param content of its SEQUENCE */
function parseAttribute(content: Uint8Array): { type: string; value: Der | undefined } {
  const reader = new DerReader(content, 'Attribute');
  const type = oidOf(reader.any('attrType'));
  const values = reader.enter(tags.set, 'attrValues');
  reader.end();
  const value = values.nextTag === undefined ? undefined : values.any('value');
  return { type, value: values.nextTag === undefined ? value : undefined };
}

const nonceOf = (value: Der): Uint8Array => {
  const nonce = octetsOf(value, 'nonce');
  requireNonceLength(nonce);
  return nonce;
};

function octetsOf({ tag, content }: Der, what: string): Uint8Array {
  if (tag !== tags.octetString)
    throw new Tr34Error('TR34_MALFORMED', `expected the ${what} as an OCTET STRING`);
  return content;
}

/** The octets in an attribute that stands alone: a random token, or the header in a key block. */
export function parseOctetAttribute(der: Uint8Array, type: string, structure: string): Uint8Array {
  const { type: came, value } = parseAttribute(readDer(der, tags.sequence, structure).content);
  if (came !== type || !value) {
    throw new Tr34Error(
      'TR34_MALFORMED',
      `${structure}: expected one value of the attribute ${type}, got ${came}`,
    );
  }
  return octetsOf(value, structure);
}
