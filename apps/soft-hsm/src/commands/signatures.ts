import { Refusal } from '../answer-codes.ts';
import type { AsymmetricAlgorithm } from '../asymmetric/keys.ts';
import type { FieldReader } from '../wire/fields.ts';

/** Hash identifiers of EW, EY and QE that are fit for signatures. 01 SHA-1, 02 MD5 and 03 are refused; 04, none, is EW's. */
const hashes: Readonly<Record<string, string>> = {
  '05': 'sha224',
  '06': 'sha256',
  '07': 'sha384',
  '08': 'sha512',
};

const algorithms: Readonly<Record<string, AsymmetricAlgorithm>> = { '01': 'R', '02': 'E' };

export interface SignatureScheme {
  /** As node:crypto names it. */
  hash: string;
  algorithm: AsymmetricAlgorithm;
}

/**
 * hash[2N] signature algorithm[2N] pad mode[2N]. 05 hash, 06 algorithm, 07 pad: PKCS#1 v1.5 is there for RSA, and the
 * same 01 is expected with ECDSA, whose signatures are DER here (how a payShield writes them is not known).
 */
export function readSignatureScheme(fields: FieldReader): SignatureScheme {
  const hash = hashes[fields.text(2, 'hash')];
  if (hash === undefined) throw new Refusal('05', 'hash: SHA-224, SHA-256, SHA-384 or SHA-512 expected');
  const algorithm = readSignatureAlgorithm(fields);
  fields.literal('01', 'pad mode: PKCS#1 v1.5', '07');
  return { hash, algorithm };
}

export function readSignatureAlgorithm(fields: FieldReader): AsymmetricAlgorithm {
  const algorithm = algorithms[fields.text(2, 'signature algorithm')];
  if (algorithm === undefined)
    throw new Refusal('06', 'signature algorithm: 01 (RSA) or 02 (ECDSA) expected');
  return algorithm;
}
