import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { derivationInput, deviceOf, initialKsn, ksnOptionalBlock, lastDevice } from './ksn.ts';

describe('initial KSN', () => {
  test('TDES: key set id FFFF987654, device 7: the counter bits are zero (X9.24-1:2009 A.1)', () => {
    expect(initialKsn('TDES', 'FFFF987654', 7n)).toBe('FFFF9876540000E00000');
  });
  test('AES: BDK id 12345678, derivation id 90123456 (X9.24-3:2017 Annex B)', () => {
    expect(initialKsn('AES', '12345678', 0x90123456n)).toBe('123456789012345600000000');
    expect(ksnOptionalBlock('AES', '123456789012345600000000')).toEqual({
      id: 'IK',
      data: '1234567890123456',
    });
    expect(Buffer.from(derivationInput('AES', '123456789012345600000000')).toString('hex')).toBe(
      '1234567890123456',
    );
  });
  test('the payShield field, first 15 hex digits, ends in an even digit for every TDES device', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: lastDevice.TDES }), (device) => {
        const ksn = initialKsn('TDES', 'FFFF987654', device);
        expect(ksn).toHaveLength(20);
        expect(Number.parseInt(ksn[14]!, 16) % 2).toBe(0);
        expect(BigInt(`0x${ksn}`) & 0x1fffffn).toBe(0n);
      }),
    );
  });
  test('the ends of the space are refused', () => {
    for (const scheme of ['AES', 'TDES'] as const) {
      expect(() => initialKsn(scheme, '00', 0n)).toThrow(RangeError);
      expect(() => initialKsn(scheme, '00', lastDevice[scheme] + 1n)).toThrow(RangeError);
    }
  });
  test('property: its device number can be read from it', () => {
    fc.assert(
      fc.property(fc.constantFrom('AES' as const, 'TDES' as const), fc.nat(500_000), (scheme, n) => {
        const id = scheme === 'AES' ? '12345678' : 'FFFF987654';
        expect(deviceOf(scheme, initialKsn(scheme, id, BigInt(n + 1)))).toBe(BigInt(n + 1));
      }),
    );
  });
  test('property: no two devices of a BDK share a KSN', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('AES' as const, 'TDES' as const),
        fc.nat(500_000),
        fc.nat(500_000),
        (scheme, a, b) => {
          fc.pre(a !== b);
          const id = scheme === 'AES' ? '12345678' : 'FFFF987654';
          expect(initialKsn(scheme, id, BigInt(a + 1))).not.toBe(initialKsn(scheme, id, BigInt(b + 1)));
        },
      ),
    );
  });
});
