/** RT_KRD, the nonce of a KRD: an attribute alone, signed by nobody. TR-34:2019, B.12. */
import { nonceAttribute, parseOctetAttribute, requireNonceLength } from './attributes.ts';
import { oids } from './oids.ts';

/** RT_KRD. Made by the KRD, which keeps the nonce (8 to 16 bytes) as outstanding. @throws TR34_NONCE_LENGTH */
export function buildRandomToken(nonce: Uint8Array): Uint8Array<ArrayBuffer> {
  return nonceAttribute(nonce);
}

/** The nonce in an RT_KRD, 8 to 16 bytes. @throws TR34_MALFORMED, TR34_NONCE_LENGTH */
export function parseRandomToken(token: Uint8Array): Uint8Array {
  const nonce = parseOctetAttribute(token, oids.randomNonce, 'RT_KRD');
  requireNonceLength(nonce);
  return nonce;
}
