import { describe, expect, test } from '@jest/globals';
import { type ProtocolErrorCode, protocolCodeName, protocolCodes } from './codes.ts';
import { ProtocolError } from './errors.ts';

const rows = Object.entries(protocolCodes) as [
  ProtocolErrorCode,
  (typeof protocolCodes)[ProtocolErrorCode],
][];

describe('the code table', () => {
  test('numbers and close codes are unique', () => {
    expect(new Set(rows.map(([, { number }]) => number)).size).toBe(rows.length);
    expect(new Set(rows.map(([, { closeCode }]) => closeCode)).size).toBe(rows.length);
  });

  test.each(rows)(
    '%s: ranges, and the close code ends as the number does',
    (name, { number, closeCode, httpStatus }) => {
      expect(Math.floor(number / 1000)).toBeGreaterThanOrEqual(1);
      expect(Math.floor(number / 1000)).toBeLessThanOrEqual(5);
      if (name === 'TOO_LARGE')
        expect(closeCode).toBe(1009); // RFC 6455, 7.4.1: message too big
      else expect(closeCode).toBe(4000 + 100 * Math.floor(number / 1000) + (number % 100));
      if (httpStatus !== undefined) expect([400, 401, 403, 404, 503]).toContain(httpStatus);
    },
  );

  // Codes are promises to terminals in the field: this list only grows.
  test('every number means what it meant before', () => {
    const numbers = Object.fromEntries(rows.map(([name, { number }]) => [number, name]));
    expect(numbers).toMatchObject({
      1001: 'BAD_MESSAGE',
      1002: 'UNSUPPORTED_TYPE',
      1003: 'SEQ',
      1004: 'TOO_LARGE',
      1005: 'TIMEOUT',
      1006: 'UNEXPECTED_MESSAGE',
      1007: 'UNKNOWN_PATH',
      1008: 'SUBPROTOCOL_REQUIRED',
      2001: 'NOT_WHITELISTED',
      2002: 'CERT_MISMATCH',
      2003: 'CERT_EXPIRED',
      2004: 'CERT_REVOKED',
      2005: 'SUSPENDED',
      2006: 'SUPERSEDED_SESSION',
      2007: 'WRONG_PURPOSE_CERT',
      2008: 'CERT_REQUIRED',
      2009: 'CERT_UNTRUSTED',
      3001: 'NOT_BOUND',
      3002: 'BOUND_TO_OTHER_KDH',
      3003: 'BAD_TOKEN',
      3004: 'REPLAY',
      3005: 'CRL_STALE',
      4001: 'BAD_KEYBLOCK_MAC',
      4002: 'KEYBLOCK_ATTR',
      4003: 'KEK_WEAKER',
      4004: 'SLOT_BUSY',
      4005: 'KCV_MISMATCH',
      4006: 'KSN_SEEN',
      4007: 'EXPIRED',
      4008: 'PLAN_HASH',
      4009: 'UNKNOWN_ATTEMPT',
      4010: 'STORAGE',
      4011: 'TAMPERED',
      4012: 'DUPLICATE_RESULT_DIFFERS',
      4013: 'RESULT_SIGNATURE',
      5001: 'BUSY',
      5002: 'HSM_UNAVAILABLE',
      5003: 'BDK_FROZEN',
      5004: 'APPROVAL_MISSING',
      5005: 'AUDIT_UNAVAILABLE',
    });
  });

  test('the name of a number', () => {
    for (const [name, { number }] of rows) expect(protocolCodeName(number)).toBe(name);
    expect(protocolCodeName(0)).toBeUndefined();
    expect(protocolCodeName(4999)).toBeUndefined();
  });
});

describe('ProtocolError', () => {
  test('takes number, close code and weight from the table', () => {
    expect(new ProtocolError('SEQ', 'why')).toMatchObject({
      number: 1003,
      closeCode: 4103,
      fatal: true,
      message: 'why',
    });
    expect(new ProtocolError('BAD_TOKEN', 'why')).toMatchObject({
      number: 3003,
      closeCode: 4303,
      fatal: false,
    });
  });

  test('whoever raises it may know better', () => {
    expect(new ProtocolError('NOT_BOUND', 'why', { fatal: true })).toMatchObject({
      fatal: true,
      closeCode: 4301,
    });
  });
});
