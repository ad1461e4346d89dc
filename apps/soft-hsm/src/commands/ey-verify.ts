import { verify } from 'node:crypto';
import { Refusal } from '../answer-codes.ts';
import { importPublicKey } from '../asymmetric/keys.ts';
import { verifyingKeyRule } from '../keys/key-rules.ts';
import { answer, type Command } from './command.ts';
import { readBinarySBlock } from './key-field.ts';
import { readLmkId } from './lmk-field.ts';
import { readSignatureScheme } from './signatures.ts';

/**
 * EY: verifies a signature with a public key that EO brought under the LMK. 02 wrong signature.
 *
 * `EY` hash[2N] signature algorithm[2N] pad mode[2N] signature length[4N] signature ; data length[4N] data ;
 * public key [%LMK id]
 */
export const ey: Command = {
  name: 'verify a signature',
  kind: 'key',
  prepare(fields) {
    const { hash, algorithm } = readSignatureScheme(fields);
    const signature = fields.bytes(fields.number(4, 'signature length'), 'signature');
    fields.literal(';', 'end of the signature');
    const data = fields.bytes(fields.number(4, 'data length'), 'data');
    fields.literal(';', 'end of the data');
    const keyBlock = readBinarySBlock(fields, 'public key');
    const lmkId = readLmkId(fields);

    return (scope) => {
      const der = scope.openBinary(verifyingKeyRule(algorithm), scope.lmk(lmkId), keyBlock);
      if (!verify(hash, data, importPublicKey(algorithm, der), signature)) {
        throw new Refusal('02', 'the signature does not verify');
      }
      return answer();
    };
  },
};
