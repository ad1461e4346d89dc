import { sign } from 'node:crypto';
import { Refusal } from '../answer-codes.ts';
import { signingKeyRule } from '../keys/key-rules.ts';
import { answer, type Command } from './command.ts';
import { readPrivateKey } from './key-field.ts';
import { readLmkId } from './lmk-field.ts';
import { readSignatureScheme } from './signatures.ts';

/**
 * EW: a signature over data that are hashed here. Answer: signature length[4N], signature.
 *
 * `EW` hash[2N] signature algorithm[2N] pad mode[2N] data length[4N] data ; 99 FFFF private key [%LMK id]
 */
export const ew: Command = {
  name: 'sign',
  kind: 'key',
  prepare(fields) {
    const { hash, algorithm } = readSignatureScheme(fields);
    const data = fields.bytes(fields.number(4, 'data length'), 'data');
    fields.literal(';', 'end of the data');
    const keyBlock = readPrivateKey(fields);
    const lmkId = readLmkId(fields);

    return (scope) => {
      const privateKey = scope.openPrivateKey(signingKeyRule(algorithm), scope.lmk(lmkId), keyBlock);
      return new Promise((resolve, reject) => {
        sign(hash, data, privateKey, (error, signature) => {
          if (error) return reject(new Refusal('49', 'the private key does not sign'));
          resolve(answer(String(signature.length).padStart(4, '0'), signature));
        });
      });
    };
  },
};
