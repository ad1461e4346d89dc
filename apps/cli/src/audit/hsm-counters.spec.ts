import { expect, test } from '@jest/globals';
import { HsmCounters } from './hsm-counters.ts';
import { HsmLogs } from './hsm-logs.ts';

const hash = (digit: string) => digit.repeat(64);
const anchor = (operations: number, seq = operations, digit = 'A') => ({
  hsm: 'S1',
  operations,
  log: { seq, hash: hash(digit) },
});
const gap = (message: string) => expect.objectContaining({ code: 'TLOG_COUNTER_GAP', message });

test('as many keys as announced, each twice at most; the first anchor is where counting starts', () => {
  const hsms = new HsmCounters(new HsmLogs('', []));
  hsms.anchor(anchor(1_000));
  hsms.announce(3);
  expect(() => hsms.anchor(anchor(1_007))).toThrow(gap('HSM S1 released 7 keys where 3 were announced'));
  hsms.anchor(anchor(1_006));
  hsms.anchor(anchor(1_006));
});

test('a key that was asked for before an anchor may be released after it', () => {
  const hsms = new HsmCounters(new HsmLogs('', []));
  hsms.anchor(anchor(0));
  hsms.announce(2);
  hsms.anchor(anchor(0));
  hsms.anchor(anchor(2));
});

test('an operation behind the back of the KDH', () => {
  const hsms = new HsmCounters(new HsmLogs('', []));
  hsms.announce(1);
  hsms.anchor(anchor(1));
  hsms.anchor(anchor(1));
  expect(() => hsms.anchor(anchor(2))).toThrow(gap('HSM S1 released 1 keys where 0 were announced'));
});

test('after a restored database was accepted, two anchors may tell of anything', () => {
  const hsms = new HsmCounters(new HsmLogs('', []));
  hsms.anchor(anchor(1));
  hsms.forgetAnnouncements();
  hsms.anchor(anchor(100));
  hsms.anchor(anchor(101));
  expect(() => hsms.anchor(anchor(102))).toThrow(gap('HSM S1 released 1 keys where 0 were announced'));
  expect(() => hsms.anchor(anchor(99))).toThrow(gap('HSM S1 counted 101 released keys, and then 99'));
});

test('a count that went down', () => {
  const hsms = new HsmCounters(new HsmLogs('', []));
  hsms.anchor(anchor(7));
  expect(() => hsms.anchor(anchor(6))).toThrow(gap('HSM S1 counted 7 released keys, and then 6'));
});

test('a log that went back, is gone, or was written anew', () => {
  const hsms = new HsmCounters(new HsmLogs('', []));
  hsms.anchor(anchor(7, 20));
  expect(() => hsms.anchor(anchor(7, 19))).toThrow(gap('the log of HSM S1 had 20 records, and then 19'));
  expect(() => hsms.anchor({ hsm: 'S1', operations: 7 })).toThrow(
    gap('the log of HSM S1 had 20 records, and then none'),
  );
  expect(() => hsms.anchor(anchor(7, 20, 'B'))).toThrow(
    gap('the log of HSM S1 has another record 20 than before'),
  );
});

test('each HSM has counters of its own', () => {
  const hsms = new HsmCounters(new HsmLogs('', []));
  hsms.anchor(anchor(7));
  expect(hsms.anchor({ ...anchor(0), hsm: 'S2' })).toBeUndefined();
});

test.each([
  [{}, 'it names no HSM'],
  [{ hsm: 'S1', operations: -1 }, 'it has no count of operations'],
  [{ hsm: 'S1', operations: 1.5 }, 'it has no count of operations'],
  [{ hsm: 'S1', operations: 1, log: [] }, 'it has no head of the HSM’s log'],
  [{ hsm: 'S1', operations: 1, log: { seq: 1, hash: 'a' } }, 'it has no head of the HSM’s log'],
])('%j is no anchor', (body, message) => {
  expect(new HsmCounters(new HsmLogs('', [])).anchor(body)).toBe(message);
});
