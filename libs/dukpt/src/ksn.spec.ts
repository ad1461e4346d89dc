import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { aesVectors, hex, tdesVectors, toHex } from '../../../test/support/dukpt-vectors.ts';
import {
  formatAesKsn,
  formatTdesKsn,
  initialAesKsn,
  initialTdesKsn,
  nextAesKsn,
  nextTdesKsn,
  padTdesKsn,
  parseAesKsn,
  parseTdesKsn,
} from './index.ts';

const refusal = (code: string) => expect.objectContaining({ name: 'DukptError', code });
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

describe('next KSN, TDES', () => {
  test.each(tdesVectors.advance)('$id', ({ ksn, next }) => {
    if (next === null) expect(() => nextTdesKsn(hex(ksn))).toThrow(refusal('DUKPT_EXHAUSTED'));
    else expect(toHex(nextTdesKsn(hex(ksn)))).toBe(next);
  });
});

describe('next KSN, AES', () => {
  test.each(aesVectors.advance)('$id', ({ ksn, nextCounter }) => {
    if (nextCounter === null) expect(() => nextAesKsn(hex(ksn))).toThrow(refusal('DUKPT_EXHAUSTED'));
    else expect(toHex(nextAesKsn(hex(ksn)))).toBe(ksn.slice(0, 16) + nextCounter);
  });
});

describe('fields of a KSN', () => {
  test('X9.24-1:2009 A.1: key set id, device id and counter share byte 7', () => {
    const ksn = parseTdesKsn(hex('FFFF9876543210F00001'));
    expect(ksn).toEqual({ keySetId: hex('FFFF987654'), deviceId: 0x19087, counter: 0x100001 });
    expect(toHex(formatTdesKsn({ ...ksn, deviceId: 0x7ffff, counter: 0 }))).toBe('FFFF987654FFFFE00000');
    expect(toHex(formatTdesKsn({ ...ksn, deviceId: 0, counter: 0x1fffff }))).toBe('FFFF98765400001FFFFF');
  });

  test('X9.24-3:2017 6.1: BDK id, derivation id and counter', () => {
    expect(parseAesKsn(hex('1234567890123456FFFF0000'))).toEqual({
      bdkId: hex('12345678'),
      derivationId: hex('90123456'),
      counter: 0xffff0000,
    });
  });

  test('format undoes parse, and the initial KSN clears the counter only', () => {
    fc.assert(
      fc.property(bytes(10), bytes(12), (tdes, aes) => {
        expect(formatTdesKsn(parseTdesKsn(tdes))).toEqual(tdes);
        expect(formatAesKsn(parseAesKsn(aes))).toEqual(aes);
        expect(parseTdesKsn(initialTdesKsn(tdes))).toEqual({ ...parseTdesKsn(tdes), counter: 0 });
        expect(parseAesKsn(initialAesKsn(aes))).toEqual({ ...parseAesKsn(aes), counter: 0 });
      }),
    );
  });

  test('a field beyond its width is refused', () => {
    const tdes = parseTdesKsn(new Uint8Array(10));
    const aes = parseAesKsn(new Uint8Array(12));
    for (const field of [
      { keySetId: new Uint8Array(4) },
      { keySetId: new Uint8Array(6) },
      { deviceId: 0x80000 },
      { deviceId: -1 },
      { deviceId: 0.5 },
      { counter: 0x200000 },
      { counter: Number.NaN },
    ]) {
      expect(() => formatTdesKsn({ ...tdes, ...field })).toThrow(refusal('DUKPT_KSN_FIELD'));
    }
    for (const field of [
      { bdkId: new Uint8Array(3) },
      { derivationId: new Uint8Array(5) },
      { counter: 0x100000000 },
      { counter: -1 },
    ]) {
      expect(() => formatAesKsn({ ...aes, ...field })).toThrow(refusal('DUKPT_KSN_FIELD'));
    }
  });
});

test('every wrong length is refused by every function of a KSN', () => {
  for (let length = 0; length <= 24; length++) {
    const ksn = new Uint8Array(length);
    for (const [call, right] of [
      [parseTdesKsn, 10],
      [initialTdesKsn, 10],
      [nextTdesKsn, 10],
      [parseAesKsn, 12],
      [initialAesKsn, 12],
      [nextAesKsn, 12],
    ] as const) {
      if (length === right) expect(() => call(ksn)).not.toThrow();
      else expect(() => call(ksn)).toThrow(refusal('DUKPT_KSN_LENGTH'));
    }
    if (length < 8 || length > 10) expect(() => padTdesKsn(ksn)).toThrow(refusal('DUKPT_KSN_LENGTH'));
  }
});

test('a short KSN is filled with FF on the left', () => {
  expect(toHex(padTdesKsn(hex('9876543210E00001')))).toBe('FFFF9876543210E00001');
  expect(toHex(padTdesKsn(hex('FF9876543210E00001')))).toBe('FFFF9876543210E00001');
  expect(toHex(padTdesKsn(hex('0123456789ABCDEF0123')))).toBe('0123456789ABCDEF0123');
});

test('results share no memory with a Buffer given in, and leave it alone', () => {
  const tdes = Buffer.from('FFFF9876543210E00001', 'hex');
  const aes = Buffer.from('123456789012345600000001', 'hex');
  const results = [
    parseTdesKsn(tdes).keySetId,
    initialTdesKsn(tdes),
    nextTdesKsn(tdes),
    parseAesKsn(aes).bdkId,
    parseAesKsn(aes).derivationId,
    initialAesKsn(aes),
    nextAesKsn(aes),
  ];
  for (const result of results) result.fill(0xaa);
  expect(toHex(tdes)).toBe('FFFF9876543210E00001');
  expect(toHex(aes)).toBe('123456789012345600000001');
});
