import { Refusal } from '../answer-codes.ts';
import { checkValueHex } from '../keys/algorithms.ts';
import { answer, type Command } from './command.ts';
import { readKeyType, readSBlock } from './key-field.ts';
import { readLmkId } from './lmk-field.ts';

/**
 * BU: the check value of a key, 6 digits; of a component too. The 16-digit form is refused with 17: "restrict key
 * check values to 6 hex digits" is always on.
 *
 * `BU` FF F key ;FFF ;00 KCV type[1] [%LMK id]
 */
export const bu: Command = {
  name: 'key check value',
  kind: 'key',
  prepare(fields) {
    fields.literal('FF', 'key type code', '04');
    fields.literal('F', 'key length flag', '05');
    const keyBlock = readSBlock(fields, 'key');
    if (fields.takes(';')) readKeyType(fields);
    if (fields.takes(';')) {
      fields.literal('00', 'reserved');
      if (fields.choice(['0', '1'], 'KCV type') === '0')
        throw new Refusal('17', 'check values have 6 digits');
    }
    const lmkId = readLmkId(fields);

    return (scope) => {
      const { algorithm, key } = scope.open(scope.lmk(lmkId), keyBlock);
      return answer(checkValueHex(algorithm, key));
    };
  },
};
