import { createHash } from 'node:crypto';
import { Refusal } from '../answer-codes.ts';
import { answer, type Command } from './command.ts';

/** 02 MD5 and 03 ISO 10118-2 are not there. */
const hashes: Readonly<Record<string, string>> = {
  '01': 'sha1',
  '05': 'sha224',
  '06': 'sha256',
  '07': 'sha384',
  '08': 'sha512',
};

/** GM: the raw digest of data. `GM` hash[2N] length[5N] data. 05: hash. */
export const gm: Command = {
  name: 'hash',
  kind: 'keyless',
  prepare(fields) {
    const hash = hashes[fields.text(2, 'hash')];
    if (hash === undefined) throw new Refusal('05', 'hash: 01, 05, 06, 07 or 08 expected');
    const data = fields.bytes(fields.number(5, 'data length'), 'data');
    return () => answer(createHash(hash).update(data).digest());
  },
};
