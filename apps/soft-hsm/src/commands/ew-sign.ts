import { type KeyObject, sign } from 'node:crypto';
import { Refusal } from '../answer-codes.ts';
import { signDigestInfo } from '../asymmetric/digest-info.ts';
import { signingKeyRule } from '../keys/key-rules.ts';
import type { FieldReader } from '../wire/fields.ts';
import { answer, type Command } from './command.ts';
import { readPrivateKey } from './key-field.ts';
import { readLmkId } from './lmk-field.ts';
import { readSignatureScheme, type SignatureScheme } from './signatures.ts';

/**
 * EW: a signature over data that are hashed here; or with hash 04 ("none") and RSA over a hash that the host brings as
 * a DigestInfo, for data that are longer than 9999 bytes. That a DigestInfo is what a payShield expects there is taken
 * from the name of its code 74, "digest info". Answer: signature length[4N], signature.
 *
 * `EW` hash[2N] signature algorithm[2N] pad mode[2N] data length[4N] data ; 99 FFFF private key [%LMK id]
 */
export const ew: Command = {
  name: 'sign',
  kind: 'key',
  prepare(fields) {
    const { hash, algorithm } = readScheme(fields);
    const data = fields.bytes(fields.number(4, 'data length'), 'data');
    fields.literal(';', 'end of the data');
    const keyBlock = readPrivateKey(fields);
    const lmkId = readLmkId(fields);

    return async (scope) => {
      const privateKey = scope.openPrivateKey(signingKeyRule(algorithm), scope.lmk(lmkId), keyBlock);
      const signature =
        hash === undefined ? signDigestInfo(data, privateKey) : await hashAndSign(hash, data, privateKey);
      return answer(String(signature.length).padStart(4, '0'), signature);
    };
  },
};

/** Without a hash where the host brings it. */
function readScheme(fields: FieldReader): { hash?: string; algorithm: SignatureScheme['algorithm'] } {
  if (!fields.takes('04')) return readSignatureScheme(fields);
  fields.literal('0101', 'signature algorithm and pad mode: RSA, PKCS#1 v1.5', '06');
  return { algorithm: 'R' };
}

/** Outside the event loop. */
function hashAndSign(hash: string, data: Uint8Array, privateKey: KeyObject): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    sign(hash, data, privateKey, (error, signature) => {
      if (error) reject(new Refusal('49', 'the private key does not sign'));
      else resolve(signature);
    });
  });
}
