import { wipe } from '@openkdh/block-ciphers';
import { DukptError, decryptPinBlock, encryptPinBlock, type PinBlockFormat } from '@openkdh/dukpt';
import { Refusal } from '../answer-codes.ts';
import { bdkRule } from '../keys/key-rules.ts';
import type { FieldReader } from '../wire/fields.ts';
import { answer, type Command } from './command.ts';
import { toHex } from './data-fields.ts';
import { deriveDukptKey, readKsn } from './dukpt-key.ts';
import { readSBlock } from './key-field.ts';
import { readLmkId } from './lmk-field.ts';

const pinKeyRule = { role: 'PIN key', usages: ['P0', '71', '72'], algorithms: 'AT', modes: 'BEN' };

/**
 * ZP, an extension: a PIN block under the key of one transaction of a terminal becomes one under a PIN key, for the same
 * account. ISO 9564-1 formats 0 and 3 go with TDES, 4 with AES. Answer: PIN block. 20: there is no PIN in the block (or
 * another account, or another key: it looks the same); 22 account number; 23 format.
 *
 * `ZP` BDK KSN descriptor[3H] KSN format[1] PIN block[16H or 32H] PIN key format[1] account number length[2N]
 * account number [%LMK id]
 */
export const zp: Command = {
  name: 'translate a PIN block',
  kind: 'key',
  prepare(fields) {
    const bdkBlock = readSBlock(fields, 'BDK');
    const ksn = readKsn(fields, bdkBlock);
    const sourceFormat = readFormat(fields);
    const pinBlock = Buffer.from(fields.hex(sourceFormat === 4 ? 32 : 16, 'PIN block'), 'hex');
    const keyBlock = readSBlock(fields, 'PIN key');
    const format = readFormat(fields);
    const account = fields.text(fields.number(2, 'account number length'), 'account number');
    if (!/^\d{8,19}$/.test(account)) throw new Refusal('22', 'account number: 8 to 19 digits expected');
    const lmkId = readLmkId(fields);

    return (scope) => {
      const lmk = scope.lmk(lmkId);
      const bdk = scope.openFor(bdkRule, lmk, bdkBlock);
      const pinKey = scope.openFor(pinKeyRule, lmk, keyBlock);
      requireFormat(sourceFormat, bdk.algorithm.letter);
      requireFormat(format, pinKey.algorithm.letter);
      const transactionKey = deriveDukptKey(bdk, ksn, { tdes: 'PIN', aes: 'PIN' });
      let pin: Uint8Array | undefined;
      try {
        pin = decryptPinBlock(sourceFormat, transactionKey, pinBlock, account);
        return answer(toHex(encryptPinBlock(format, pinKey.key, pin, account, scope.hsm.random)));
      } catch (error) {
        if (error instanceof DukptError) throw new Refusal('20', error.message);
        throw error;
      } finally {
        wipe(transactionKey, pin);
      }
    };
  },
};

function readFormat(fields: FieldReader): PinBlockFormat {
  return Number(fields.choice(['0', '3', '4'], 'PIN block format', '23')) as PinBlockFormat;
}

function requireFormat(format: PinBlockFormat, letter: string): void {
  if ((format === 4) !== (letter === 'A')) {
    throw new Refusal('23', `PIN block format ${format} under a key of algorithm ${letter}`);
  }
}
