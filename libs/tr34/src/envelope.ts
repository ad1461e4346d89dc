/** The cryptography of the envelope of a key token: RSAES-OAEP around a content key, CBC around the key block. */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
} from 'node:crypto';
import { requireRsa } from './certificate.ts';
import { openDer, tags } from './der.ts';
import { type ContentCipher, contentCiphers, type EnvelopedData } from './enveloped-data.ts';
import { Tr34Error } from './errors.ts';

/** A source of random bytes, of cryptographic quality. */
export type Random = (length: number) => Uint8Array;

/** Whatever went wrong inside an envelope: the caller cannot tell which step it was. */
export const unwrapFailed = () =>
  new Tr34Error('TR34_UNWRAP_FAILED', 'the envelope did not open; possibly made for another key');

/** RSAES-OAEP with SHA-256, MGF1-SHA-256 and an empty label. RFC 8017, 7.1. Its seed comes from OpenSSL. */
const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };

/**
 * A public key from PKCS#1 RSAPublicKey. The INTEGERs are taken as unsigned: a payShield writes a modulus without the
 * octet that would keep it positive.
 * @throws TR34_MALFORMED; TR34_CERTIFICATE_KEY unless it is fit for TR-34, see `requireRsa`
 */
export function importRsaPublicKey(pkcs1: Uint8Array): KeyObject {
  const reader = openDer(pkcs1, tags.sequence, 'RSAPublicKey');
  const base64url = (field: string) =>
    Buffer.from(reader.next(tags.integer, field).content).toString('base64url');
  const jwk = { kty: 'RSA', n: base64url('modulus'), e: base64url('publicExponent') };
  reader.end();
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  requireRsa(key);
  return key;
}

/** Encrypts `content` with a fresh content key, and that with the KRD's key. `shortIv`: the last 8 bytes are zero. */
export function encryptContent(
  content: Uint8Array,
  cipher: ContentCipher,
  krdKey: KeyObject,
  random: Random,
  shortIv: boolean,
): Pick<EnvelopedData, 'encryptedKey' | 'iv' | 'encryptedContent'> {
  const { keyLength, blockLength } = contentCiphers[cipher];
  const iv = new Uint8Array(blockLength);
  iv.set(random(shortIv ? 8 : blockLength));
  const contentKey = random(keyLength);
  try {
    if (cipher === 'des-ede3-cbc') setOddParity(contentKey);
    const encryptor = createCipheriv(cipher, contentKey, iv);
    const encryptedContent = Buffer.concat([encryptor.update(content), encryptor.final()]);
    return { encryptedKey: encryptContentKey(contentKey, krdKey), iv, encryptedContent };
  } finally {
    contentKey.fill(0);
  }
}

function encryptContentKey(contentKey: Uint8Array, krdKey: KeyObject): Uint8Array {
  try {
    return publicEncrypt({ key: krdKey, ...oaep }, contentKey);
  } catch {
    throw new Tr34Error(
      'TR34_CERTIFICATE_KEY',
      'expected an RSA key, got numbers with which OpenSSL does not encrypt',
    );
  }
}

/** RFC 3370, 4.3.1: the parity of a TDES content key is adjusted before use; some receivers check it. */
function setOddParity(key: Uint8Array): void {
  for (const [i, octet] of key.entries()) {
    let ones = octet & 0xfe;
    ones ^= ones >> 4;
    ones ^= ones >> 2;
    ones ^= ones >> 1;
    key[i] = (octet & 0xfe) | (~ones & 1);
  }
}

/** The content in clear, with its padding; the caller wipes it. @throws TR34_UNWRAP_FAILED */
export function decryptContent(
  { cipher, iv, encryptedContent }: EnvelopedData,
  contentKey: Uint8Array,
): Uint8Array {
  try {
    // The caller reads the padding: some senders leave it out.
    const decryptor = createDecipheriv(cipher, contentKey, iv).setAutoPadding(false);
    const content = decryptor.update(encryptedContent);
    decryptor.final(); // empty; throws unless the content is whole blocks
    return content;
  } catch {
    throw unwrapFailed();
  }
}

/** The content key in clear; the caller wipes it. @throws TR34_UNWRAP_FAILED */
export function decryptContentKey(encryptedKey: Uint8Array, privateKey: KeyObject): Uint8Array {
  try {
    return privateDecrypt({ key: privateKey, ...oaep }, encryptedKey);
  } catch {
    throw unwrapFailed();
  }
}
