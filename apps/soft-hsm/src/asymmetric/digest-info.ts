import { constants, type KeyObject, privateEncrypt } from 'node:crypto';
import { Refusal } from '../answer-codes.ts';

/** DigestInfo of RFC 8017, 9.2, note 1, up to the digest: SHA-224, SHA-256, SHA-384, SHA-512. */
const prefixes = [
  { prefix: '302D300D06096086480165030402040500041C', digestBytes: 28 },
  { prefix: '3031300D060960864801650304020105000420', digestBytes: 32 },
  { prefix: '3041300D060960864801650304020205000430', digestBytes: 48 },
  { prefix: '3051300D060960864801650304020305000440', digestBytes: 64 },
].map(({ prefix, digestBytes }) => ({ prefix: Buffer.from(prefix, 'hex'), digestBytes }));

/**
 * RSASSA-PKCS1-v1_5 over a hash that somebody else has computed. Refuses with 74 anything but the DigestInfo of a hash
 * that is fit for signatures: a key that signed whatever it is given could be made to decrypt, or to sign what its
 * reader takes for something else.
 */
export function signDigestInfo(digestInfo: Uint8Array, privateKey: KeyObject): Buffer {
  const known = prefixes.some(
    ({ prefix, digestBytes }) =>
      digestInfo.length === prefix.length + digestBytes &&
      prefix.equals(digestInfo.subarray(0, prefix.length)),
  );
  if (!known) throw new Refusal('74', 'DigestInfo of SHA-224, SHA-256, SHA-384 or SHA-512 expected');
  return privateEncrypt({ key: privateKey, padding: constants.RSA_PKCS1_PADDING }, digestInfo);
}
