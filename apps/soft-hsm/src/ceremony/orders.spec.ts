import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { codeOf } from '../../../../test/support/refusal-code.ts';
import { parseBackup } from './backup.ts';
import { readOfficers, verifyOrder } from './orders.ts';

const context = { hsm: '00'.repeat(16), officers: [], usedNonces: new Set<string>(), now: new Date() };

describe('whatever comes', () => {
  const json = fc.oneof(fc.jsonValue(), fc.record({ order: fc.jsonValue(), signatures: fc.jsonValue() }));

  test('as an order is refused as one', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(codeOf(() => verifyOrder(value, context))).toBe('SOFT_HSM_ORDER');
      }),
    );
  });

  test('as officers is refused as such, or is an empty list', () => {
    fc.assert(
      fc.property(json, (value) => {
        const empty = Array.isArray(value) && value.length === 0;
        expect(codeOf(() => readOfficers(value))).toBe(empty ? 'done' : 'SOFT_HSM_ORDER');
      }),
    );
  });

  test('as a backup is refused as one', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          json.map((value) => JSON.stringify(value)),
        ),
        (text) => {
          expect(codeOf(() => parseBackup(Buffer.from(text)))).toBe('SOFT_HSM_SEAL');
        },
      ),
    );
  });
});
