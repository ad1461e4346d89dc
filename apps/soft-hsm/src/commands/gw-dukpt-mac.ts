import { equalConstantTime, retailMac, wipe } from '@openkdh/block-ciphers';
import { Refusal } from '../answer-codes.ts';
import { bdkRule } from '../keys/key-rules.ts';
import { answer, type Command } from './command.ts';
import { toHex } from './data-fields.ts';
import { deriveDukptKey, readKsn } from './dukpt-key.ts';
import { readSBlock } from './key-field.ts';
import { readLmkId } from './lmk-field.ts';

/**
 * GW: a MAC under the key of one transaction of a TDES DUKPT terminal. MAC mode 4 generates 16 digits, 1 verifies
 * them (01: wrong); 5 and 2 do so with the first 8. What the other modes stand for could not be found out.
 * The key is the MAC request key, the algorithm ISO 9797-1 algorithm 3: the recordings have one block only and do not
 * tell it from algorithm 1.
 *
 * `GW` MAC mode[1] method[1] BDK KSN descriptor[3H] KSN[20H] [MAC] length[4N] data [%LMK id]
 */
export const gw: Command = {
  name: 'DUKPT MAC',
  kind: 'key',
  prepare(fields) {
    const mode = fields.choice(['1', '2', '4', '5'], 'MAC mode', '02');
    fields.choice(['1'], 'MAC method', '03');
    const bdkBlock = readSBlock(fields, 'BDK');
    const ksn = readKsn(fields, bdkBlock);
    const digits = mode === '1' || mode === '4' ? 16 : 8;
    const mac = mode === '1' || mode === '2' ? fields.hex(digits, 'MAC') : undefined;
    const data = fields.bytes(fields.number(4, 'data length'), 'data');
    if (data.length === 0) throw new Refusal('80', 'data: at least one byte expected');
    const lmkId = readLmkId(fields);

    return (scope) => {
      const bdk = scope.openFor({ ...bdkRule, algorithms: 'T' }, scope.lmk(lmkId), bdkBlock);
      const key = deriveDukptKey(bdk, ksn, { tdes: 'MAC_REQUEST', aes: 'MAC_GEN' });
      const padded = Buffer.alloc(Math.ceil(data.length / 8) * 8);
      padded.set(data);
      const computed = toHex(retailMac(key, padded)).slice(0, digits);
      wipe(key);
      if (mac === undefined) return answer(computed);
      if (!equalConstantTime(Buffer.from(computed), Buffer.from(mac))) {
        throw new Refusal('01', 'the MAC does not verify');
      }
      return answer();
    };
  },
};
