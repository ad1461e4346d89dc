import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type AuditRecord, formatRecord, parseRecord } from './audit-record.ts';
import { canonicalJson } from './canonical-json.ts';

const texts = fc.array(fc.string({ unit: 'binary' }), { maxLength: 3 });
const chain = {
  bootCounter: fc.nat(),
  operations: fc.maxSafeNat(),
  prevHash: fc.constant('0A'.repeat(32)),
  seq: fc.maxSafeNat(),
  time: fc.constant('2026-11-24T12:00:00.000Z'),
};
const commandRecords: fc.Arbitrary<AuditRecord> = fc.record({
  ...chain,
  event: fc.constant('command' as const),
  client: fc.string({ unit: 'binary' }),
  command: fc.string({ unit: 'binary', minLength: 2, maxLength: 2 }),
  grant: fc.option(fc.string(), { nil: undefined }),
  keysIn: texts,
  keysOut: texts,
  result: fc.constantFrom('00', '01', 'A4'),
});
const managementRecords: fc.Arbitrary<AuditRecord> = fc.record({
  ...chain,
  event: fc.constant('management' as const),
  command: fc.string(),
  detail: fc.string({ unit: 'binary' }),
  who: texts,
});

describe('a line of the log', () => {
  test.each([
    ['command', commandRecords],
    ['management', managementRecords],
  ])('%s: canonical JSON, and read back as it is', (_, records) => {
    fc.assert(
      fc.property(records, (record) => {
        const line = formatRecord(record);
        const members = JSON.parse(JSON.stringify(record));
        expect(line).toBe(canonicalJson(members));
        expect(parseRecord(line)).toEqual(members);
      }),
    );
  });

  const good =
    '{"bootCounter":1,"client":"local","command":"A0","event":"command","keysIn":[],"keysOut":["AB"],"operations":0' +
    ',"prevHash":"00","result":"00","seq":2,"time":"2026-11-24T12:00:00.000Z"}';

  test.each([
    ['members in another order', '"client":"local","command":"A0"', '"command":"A0","client":"local"'],
    ['a space', '"seq":2', '"seq": 2'],
    ['a number where text is due', '"result":"00"', '"result":0'],
    ['a member that no record has', '"result"', '"a":0,"result"'],
    ['a member twice', '"result"', '"result":"00","result"'],
    ['a character written as an escape', '"local"', '"loc\\u0061l"'],
  ])('%s: no record', (_, part, other) => {
    expect(parseRecord(good)).toMatchObject({ client: 'local', seq: 2 });
    expect(parseRecord(good.replace(part, other))).toBeUndefined();
  });
});
