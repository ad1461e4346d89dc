import { wipe } from '@openkdh/block-ciphers';
import { Refusal } from '../answer-codes.ts';
import { checkValueHex, keyAlgorithmOf } from '../keys/algorithms.ts';
import { openKeyBlock } from '../lmk/key-block.ts';
import { fingerprintOf } from '../lmk/key-cache.ts';
import { answer, type Command } from './command.ts';
import { readKeyType, readSBlock } from './key-field.ts';
import { readLmkId } from './lmk-field.ts';

/**
 * BW: a key block under the old LMK becomes one under the new LMK, with the same attributes, after an LMK change. Both
 * are valid until BS. 33: there is no old LMK. Answer: key [, check value of 6 digits].
 *
 * `BW` FF F key ;FFF [;0 S 0] [%LMK id] [! return the check value[1] check value type[1]]
 */
export const bw: Command = {
  name: 'translate a key to the new LMK',
  kind: 'key',
  prepare(fields) {
    fields.literal('FF', 'key type code', '04');
    fields.literal('F', 'key length flag', '05');
    const keyBlock = readSBlock(fields, 'key');
    fields.literal(';', 'key type');
    readKeyType(fields);
    if (fields.takes(';')) fields.literal('0S0', 'key schemes', '26');
    const lmkId = readLmkId(fields);
    const withCheckValue = fields.takes('!') && fields.choice(['0', '1'], 'return the check value') === '1';
    if (withCheckValue && fields.choice(['0', '1'], 'check value type') === '0') {
      throw new Refusal('17', 'check values have 6 digits');
    }

    return (scope) => {
      const lmk = scope.lmk(lmkId);
      const { header, key } = openKeyBlock(scope.hsm.lmks.old(lmk.id), keyBlock);
      scope.keysIn.push(fingerprintOf(keyBlock));
      try {
        const algorithm = keyAlgorithmOf(header.algorithm, key.length);
        if (algorithm === undefined) throw new Refusal('A7', 'not a symmetric key');
        const translated = scope.wrapUnderLmk(lmk, header, algorithm, key);
        return answer(translated, withCheckValue ? checkValueHex(algorithm, key) : '');
      } finally {
        wipe(key);
      }
    };
  },
};

/** BS: forgets the old LMK. */
export const bs: Command = {
  name: 'erase the old LMK',
  kind: 'key',
  prepare: () => (scope) => {
    scope.hsm.lmks.forgetOld();
    return answer();
  },
};
