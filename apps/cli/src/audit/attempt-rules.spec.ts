import { expect, test } from '@jest/globals';
import { canonicalJson, TransparencyLogError } from '@openkdh/transparency-log';
import { AttemptRules } from './attempt-rules.ts';
import { HsmLogs } from './hsm-logs.ts';

const attempt = '01990000-0000-7000-8000-000000000001';
const terminal = '01990000-0000-7000-8000-000000000002';

/** An entry of an attempt, as docs/audit-log.md has it. */
const entry = (type: string, body: Record<string, string | number | string[]>) =>
  canonicalJson({
    v: 1,
    id: '1',
    time: '2026-11-24T12:00:00.000000Z',
    type,
    actor: 'node:a',
    terminal,
    attempt,
    body,
  });

function check(...entries: Uint8Array[]): AttemptRules {
  const rules = new AttemptRules(0, new HsmLogs('', []));
  for (const [index, bytes] of entries.entries()) rules.entry(bytes, BigInt(index));
  rules.end();
  return rules;
}

const requested = entry('attempt.requested', { kind: 'KEYS', number: 1 });
const approved = entry('attempt.approved', { from: 'REQUESTED', version: 2 });

test('counts what ended, what is open, and the KSNs', () => {
  expect(check(requested, approved).counts).toEqual({ ended: {}, open: 1, ksns: 0 });
  const reserved = entry('attempt.ksn_reserved', {
    from: 'APPROVED',
    version: 3,
    ksns: ['A1B2C3D40000000100000000', 'FFFF9876540000200000'],
  });
  const cancelled = entry('attempt.cancelled', { from: 'KSN_RESERVED', version: 4 });
  expect(check(requested, approved, reserved, cancelled).counts).toEqual({
    ended: { CANCELLED: 1 },
    open: 0,
    ksns: 2,
  });
});

test('a move counts the states that it went through, and a rule the approval', () => {
  const byRule = entry('attempt.requested', { kind: 'KBPK', number: 1, rule: 'none-must-approve' });
  const wrapped = { from: 'APPROVED', through: ['DERIVING', 'WRAPPED'], version: 5 };
  const sent = { from: 'DISPATCHABLE', version: 6 };
  const confirmed = { from: 'SENT', through: ['RESULT_RECEIVED'], version: 8 };
  const [dispatched, gone] = [entry('attempt.dispatchable', wrapped), entry('attempt.sent', sent)];
  expect(check(byRule, dispatched, gone, entry('attempt.confirmed', confirmed)).counts).toEqual({
    ended: { CONFIRMED: 1 },
    open: 0,
    ksns: 0,
  });
  const overQuarantine = { ...confirmed, through: ['QUARANTINED'] };
  expect(() => check(byRule, dispatched, gone, entry('attempt.confirmed', overQuarantine))).toThrow(
    new TransparencyLogError('TLOG_RULE_BROKEN', `entry 3, attempt.confirmed: attempt ${attempt} was SENT`),
  );
});

test('the message names entry, type and attempt', () => {
  const sent = entry('attempt.sent', { from: 'APPROVED', version: 3 });
  expect(() => check(requested, approved, sent)).toThrow(
    new TransparencyLogError('TLOG_RULE_BROKEN', `entry 2, attempt.sent: attempt ${attempt} was APPROVED`),
  );
});

test('an event that is about no attempt is read, and not judged', () => {
  expect(check(entry('terminal.enrolled', {})).counts).toEqual({ ended: {}, open: 0, ksns: 0 });
});
