import { Refusal } from '../answer-codes.ts';
import type { FieldReader } from '../wire/fields.ts';

/** Hash identifiers of EW, EY and QE that are fit for signatures. 01 SHA-1, 02 MD5 and 03, 04 are refused. */
const hashes: Readonly<Record<string, string>> = {
  '05': 'sha224',
  '06': 'sha256',
  '07': 'sha384',
  '08': 'sha512',
};

/** hash[2N] signature algorithm[2N] pad mode[2N]; the node:crypto name of the hash. 05 hash, 06 algorithm, 07 pad. */
export function readSignatureScheme(fields: FieldReader): { hash: string } {
  const hash = hashes[fields.text(2, 'hash')];
  if (hash === undefined) throw new Refusal('05', 'hash: SHA-224, SHA-256, SHA-384 or SHA-512 expected');
  fields.literal('01', 'signature algorithm: RSA', '06');
  fields.literal('01', 'pad mode: PKCS#1 v1.5', '07');
  return { hash };
}
