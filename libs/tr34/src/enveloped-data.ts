/**
 * EnvelopedData of a key token: structure only, no cipher. RFC 5652, 6.
 *
 *   EnvelopedData        ::= SEQUENCE { version 0, recipientInfos SET, encryptedContentInfo }
 *   KeyTransRecipientInfo ::= SEQUENCE { version 0, rid, keyEncryptionAlgorithm, encryptedKey }
 *   EncryptedContentInfo ::= SEQUENCE { contentType, contentEncryptionAlgorithm, encryptedContent [0] }
 */
import { requireAlgorithm } from './algorithm.ts';
import {
  concat,
  contextTag,
  DerReader,
  encode,
  nullValue,
  octetString,
  oid,
  oidOf,
  primitiveTag,
  readDer,
  sequence,
  setOf,
  smallInteger,
  smallIntegerOf,
  tags,
} from './der.ts';
import { type DialectName, type Reading, writes } from './dialects.ts';
import { Tr34Error } from './errors.ts';
import { oids } from './oids.ts';

/** The content ciphers of TR-34. RFC 3565, 4.1; RFC 3370, 5.1. Lengths in bytes. */
export const contentCiphers = {
  'aes-128-cbc': { oid: oids.aes128Cbc, keyLength: 16, blockLength: 16 },
  'des-ede3-cbc': { oid: oids.desEde3Cbc, keyLength: 24, blockLength: 8 },
} as const;
export type ContentCipher = keyof typeof contentCiphers;

export interface EnvelopedData {
  /** IssuerAndSerialNumber of the KRD as DER. */
  readonly recipient: Uint8Array;
  /** The content key under the KRD's RSA key: RSAES-OAEP with SHA-256 and MGF1-SHA-256, empty label. */
  readonly encryptedKey: Uint8Array;
  readonly cipher: ContentCipher;
  /** One block. */
  readonly iv: Uint8Array;
  readonly encryptedContent: Uint8Array;
}

/** Reads the members of an EnvelopedData. @throws TR34_MALFORMED, TR34_DIALECT, TR34_ALGORITHM_UNSUPPORTED */
export function parseEnvelopedData(members: Uint8Array, reading: Reading): EnvelopedData {
  const reader = new DerReader(members, 'EnvelopedData');
  requireVersion0(reader);
  const recipients = reader.enter(tags.set, 'recipientInfos');
  const recipientInfo = recipients.enter(tags.sequence, 'keyTransRecipientInfo');
  recipients.end();
  requireVersion0(recipientInfo);
  const recipient = recipientInfo.next(tags.sequence, 'rid').bytes;
  requireOaep(recipientInfo.enter(tags.sequence, 'keyEncryptionAlgorithm'), reading);
  const encryptedKey = recipientInfo.next(tags.octetString, 'encryptedKey').content;
  recipientInfo.end();
  const content = parseEncryptedContent(reader.enter(tags.sequence, 'encryptedContentInfo'), reading);
  reader.end();
  return { recipient, encryptedKey, ...content };
}

function requireVersion0(reader: DerReader): void {
  const version = smallIntegerOf(reader.next(tags.integer, 'version'));
  if (version !== 0)
    throw new Tr34Error('TR34_MALFORMED', `EnvelopedData: expected version 0, got ${version}`);
}

// RSAES-OAEP-params ::= SEQUENCE { hash [0], maskGen [1], pSource [2] DEFAULT pSpecifiedEmpty }. RFC 8017, A.2.1.
function requireOaep(algorithm: DerReader, reading: Reading): void {
  const id = oidOf(algorithm.any('algorithm'));
  if (id !== oids.rsaesOaep) {
    throw new Tr34Error('TR34_ALGORITHM_UNSUPPORTED', `expected RSAES-OAEP ${oids.rsaesOaep}, got ${id}`);
  }
  const parameters = algorithm.enter(tags.sequence, 'parameters');
  algorithm.end();
  const tagged = parameters.nextTag !== tags.sequence;
  if (!tagged) reading.meet('oaep-parameters-untagged');
  const parameter = (number: number, field: string) => {
    if (!tagged) return parameters.next(tags.sequence, field);
    return readDer(parameters.next(contextTag(number), field).content, tags.sequence, field);
  };
  requireAlgorithm(parameter(0, 'hashAlgorithm'), oids.sha256);
  const maskGen = new DerReader(parameter(1, 'maskGenAlgorithm').content, 'maskGenAlgorithm');
  const maskGenId = oidOf(maskGen.any('algorithm'));
  requireAlgorithm(maskGen.next(tags.sequence, 'hash'), oids.sha256);
  maskGen.end();
  const emptyLabel =
    parameters.nextTag === undefined || isEmptyLabel(parameter(2, 'pSourceAlgorithm').content);
  parameters.end();
  if (maskGenId !== oids.mgf1 || !emptyLabel) {
    throw new Tr34Error('TR34_ALGORITHM_UNSUPPORTED', 'expected RSAES-OAEP with MGF1 and an empty label');
  }
}

function isEmptyLabel(content: Uint8Array): boolean {
  const reader = new DerReader(content, 'pSourceAlgorithm');
  const id = oidOf(reader.any('algorithm'));
  const label = reader.next(tags.octetString, 'label').content;
  reader.end();
  return id === oids.pSpecified && label.length === 0;
}

function parseEncryptedContent(info: DerReader, reading: Reading) {
  const contentType = oidOf(info.any('contentType'));
  if (contentType !== oids.data) {
    throw new Tr34Error('TR34_MALFORMED', `EncryptedContentInfo: expected id-data, got ${contentType}`);
  }
  const algorithm = info.enter(tags.sequence, 'contentEncryptionAlgorithm');
  const id = oidOf(algorithm.any('algorithm'));
  const cipher = (Object.keys(contentCiphers) as ContentCipher[]).find(
    (name) => contentCiphers[name].oid === id,
  );
  if (!cipher)
    throw new Tr34Error('TR34_ALGORITHM_UNSUPPORTED', `expected AES-128-CBC or TDES-CBC, got ${id}`);
  const iv = parseIv(algorithm.next(tags.octetString, 'iv').content, cipher, reading);
  const nested = algorithm.optional(primitiveTag(0), 'encryptedContent');
  if (nested) reading.meet('encrypted-content-nested');
  algorithm.end();
  const encryptedContent = (nested ?? info.next(primitiveTag(0), 'encryptedContent')).content;
  info.end();
  return { cipher, iv, encryptedContent };
}

function parseIv(iv: Uint8Array, cipher: ContentCipher, reading: Reading): Uint8Array {
  const { blockLength } = contentCiphers[cipher];
  if (iv.length === blockLength) return iv;
  if (iv.length !== 8)
    throw new Tr34Error('TR34_MALFORMED', `expected an IV of ${blockLength} bytes, got ${iv.length}`);
  reading.meet('aes-iv-of-8-bytes');
  return concat(iv, new Uint8Array(8));
}

/** EnvelopedData as DER. In a dialect that writes an AES IV as 8 bytes, `iv` must end in 8 zero bytes. */
export function buildEnvelopedData(data: EnvelopedData, dialect: DialectName): Uint8Array<ArrayBuffer> {
  const { recipient, encryptedKey, cipher, iv, encryptedContent } = data;
  const shortIv = cipher === 'aes-128-cbc' && writes(dialect, 'aes-iv-of-8-bytes');
  const algorithm = [oid(contentCiphers[cipher].oid), octetString(shortIv ? iv.subarray(0, 8) : iv)];
  const content = encode(primitiveTag(0), encryptedContent);
  const keyTransport = sequence(
    smallInteger(0),
    recipient,
    sequence(oid(oids.rsaesOaep), oaepParameters(dialect)),
    octetString(encryptedKey),
  );
  return sequence(
    smallInteger(0),
    setOf(keyTransport),
    writes(dialect, 'encrypted-content-nested')
      ? sequence(oid(oids.data), sequence(...algorithm, content))
      : sequence(oid(oids.data), sequence(...algorithm), content),
  );
}

function oaepParameters(dialect: DialectName): Uint8Array<ArrayBuffer> {
  const sha256 = sequence(oid(oids.sha256), nullValue);
  const mgf1 = sequence(oid(oids.mgf1), sha256);
  if (!writes(dialect, 'oaep-parameters-untagged')) {
    // The empty label is the default: DER leaves it out.
    return sequence(encode(contextTag(0), sha256), encode(contextTag(1), mgf1));
  }
  return sequence(sha256, mgf1, sequence(oid(oids.pSpecified), octetString(new Uint8Array(0))));
}
