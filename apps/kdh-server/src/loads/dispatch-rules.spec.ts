import { describe, expect, test } from '@jest/globals';
import { type DispatchCheck, mayDispatch } from './dispatch-rules.ts';

const good: DispatchCheck = {
  state: 'DISPATCHABLE',
  terminalState: 'ACTIVE',
  bound: true,
  currentEpoch: 3n,
  sessionEpoch: 3n,
  certificatesValid: true,
  frozenBdk: false,
  expired: false,
};

describe('preconditions of SENT (rule f)', () => {
  test('all of them hold', () => expect(mayDispatch(good)).toEqual({ send: true }));

  test.each<[string, Partial<DispatchCheck>]>([
    ['sent already', { state: 'SENT' }],
    ['not bound', { bound: false }],
    ['a newer session exists (I5, F13)', { currentEpoch: 4n }],
    ['no session in the database', { currentEpoch: null }],
    ['a certificate has expired on a live socket (F14)', { certificatesValid: false }],
    ['the plan has expired', { expired: true }],
  ])('waits: %s', (_, change) => expect(mayDispatch({ ...good, ...change })).toEqual({ send: false }));

  test.each<[string, Partial<DispatchCheck>, string]>([
    ['revoked (I6)', { terminalState: 'REVOKED' }, 'TERMINAL_REVOKED'],
    ['suspended (I6)', { terminalState: 'SUSPENDED' }, 'TERMINAL_SUSPENDED'],
    ['frozen BDK (I9)', { frozenBdk: true }, 'BDK_FROZEN'],
  ])('cancels: %s', (_, change, cancel) =>
    expect(mayDispatch({ ...good, ...change })).toEqual({ send: false, cancel }),
  );
});
