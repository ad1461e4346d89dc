import { describe, expect, test } from '@jest/globals';
import { protocolCodes } from '@openkdh/terminal-protocol';
import fc from 'fast-check';
import { type ConnectionEnd, nextConnection } from './reconnect.ts';

const failed: ConnectionEnd = { kind: 'failed', reason: 'ECONNREFUSED' };
const kicked = (code: keyof typeof protocolCodes, retryAfterMs = 0): ConnectionEnd => ({
  kind: 'closed',
  closeCode: protocolCodes[code].closeCode,
  kick: { code: protocolCodes[code].number, retryAfterMs },
});

describe('full jitter', () => {
  test('the ceiling doubles from 1 s to 5 min', () => {
    const ceilings = Array.from({ length: 12 }, (_, failures) => nextConnection(failed, failures, 0, 1));
    expect(ceilings.map((next) => 'delayMs' in next && next.delayMs)).toEqual([
      1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000, 300_000,
    ]);
  });

  test('the wait is anywhere below the ceiling, and never above 5 min', () => {
    const random = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.nat({ max: 2_000 }), random, (failures, share) => {
        const next = nextConnection(failed, failures, 0, share);
        const ceiling = Math.min(1_000 * 2 ** failures, 300_000);
        expect(next).toEqual({ failures: failures + 1, delayMs: share * ceiling });
      }),
    );
  });

  test('a session of ten seconds counts as a success', () => {
    const closed: ConnectionEnd = { kind: 'closed', closeCode: 1006 };
    expect(nextConnection(closed, 9, 10_000, 1)).toEqual({ failures: 1, delayMs: 1_000 });
    expect(nextConnection(closed, 9, 9_999, 1)).toEqual({ failures: 10, delayMs: 300_000 });
  });
});

describe('what the KDH says', () => {
  test('retryAfterMs is waited for, with some jitter', () => {
    expect(nextConnection(kicked('BUSY', 30_000), 0, 0, 0)).toMatchObject({ delayMs: 30_000 });
    expect(nextConnection(kicked('BUSY', 30_000), 0, 0, 1)).toMatchObject({ delayMs: 31_000 });
    const busy: ConnectionEnd = { kind: 'refused', status: 503, code: 'BUSY', retryAfterMs: 7_000 };
    expect(nextConnection(busy, 0, 0, 0)).toMatchObject({ delayMs: 7_000 });
  });

  test('a superseded terminal does not fight for its place', () => {
    expect(nextConnection(kicked('SUPERSEDED_SESSION'), 0, 0, 0)).toMatchObject({ delayMs: 300_000 });
  });

  test.each(['CERT_REVOKED', 'SUSPENDED'] as const)('%s: it stays off', (code) => {
    expect(nextConnection(kicked(code, 1_000), 0, 0, 0)).toEqual({ stop: code });
    expect(nextConnection({ kind: 'refused', status: 403, code }, 0, 0, 0)).toEqual({ stop: code });
  });

  test('any other refusal is tried again', () => {
    const refused: ConnectionEnd = { kind: 'refused', status: 403, code: 'NOT_WHITELISTED' };
    expect(nextConnection(refused, 2, 0, 0.5)).toEqual({ failures: 3, delayMs: 2_000 });
  });
});
