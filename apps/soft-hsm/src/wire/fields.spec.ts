import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { codeOf } from '../../../../test/support/refusal-code.ts';
import { FieldReader } from './fields.ts';

const reader = (text: string | Uint8Array) =>
  new FieldReader(typeof text === 'string' ? Buffer.from(text, 'latin1') : Buffer.from(text));

describe('FieldReader', () => {
  test('reads fields from left to right', () => {
    const fields = reader('A012FF;%01\x00\xff0x');
    expect(fields.text(1, 'text')).toBe('A');
    expect(fields.number(3, 'number')).toBe(12);
    expect(fields.hexNumber(2, 'hex number')).toBe(0xff);
    expect(fields.takes('#')).toBe(false);
    expect(fields.takes(';')).toBe(true);
    fields.literal('%01', 'literal');
    expect([...fields.bytes(2, 'bytes')]).toEqual([0x00, 0xff]);
    expect(fields.choice(['0', '1'], 'choice')).toBe('0');
    expect(fields.peek()).toBe('x');
  });

  test.each<[string, (fields: FieldReader) => unknown]>([
    ['text beyond the end', (fields) => fields.text(4, 'f')],
    ['text that is not printable', (fields) => fields.text(3, 'f')],
    ['a number that is none', (fields) => fields.number(2, 'f')],
    ['hex that is lower case', (fields) => fields.hex(2, 'f')],
    ['a choice that is not offered', (fields) => fields.choice(['x'], 'f')],
    ['another literal', (fields) => fields.literal('ab', 'f')],
    ['an end that is none', (fields) => fields.end()],
  ])('15: %s', (_, read) => {
    expect(codeOf(() => read(reader('a1\x01')))).toBe('15');
  });

  test.each([
    ['3003020101', 5],
    [`3081${'80'}${'00'.repeat(0x80)}`, 0x83],
    [`308201${'00'}${'00'.repeat(0x100)}`, 0x104],
  ])('DER with its own length', (hex, length) => {
    const fields = reader(Buffer.from(`${hex}41`, 'hex'));
    expect(fields.der('der')).toHaveLength(length);
    expect(fields.peek()).toBe('A');
  });

  test.each(['30', '3005', '3081', '308201', '30800000', '3083000001'])('15: DER %s', (hex) => {
    expect(codeOf(() => reader(Buffer.from(hex, 'hex')).der('der'))).toBe('15');
  });

  describe('trailer', () => {
    const trailerOf = (text: string, read = (fields: FieldReader) => fields.end()) => {
      const fields = reader(text);
      codeOf(() => read(fields));
      return fields.trailer.toString('latin1');
    };

    test('0 to 32 bytes after the mark', () => {
      expect(trailerOf('')).toBe('');
      expect(trailerOf('\x19')).toBe('\x19');
      expect(trailerOf(`\x19${'t'.repeat(32)}`)).toBe(`\x19${'t'.repeat(32)}`);
      expect(codeOf(() => reader(`\x19${'t'.repeat(33)}`).end())).toBe('15');
    });

    test('the mark inside binary data is not taken for a trailer', () => {
      expect(
        trailerOf('\x19\x19ab\x19T', (fields) => {
          fields.bytes(4, 'data');
          fields.end();
        }),
      ).toBe('\x19T');
    });

    test('of a command that was refused before its end', () => {
      expect(trailerOf('x\x19trailer')).toBe('\x19trailer');
      expect(trailerOf('x\x19\x00')).toBe('');
      expect(trailerOf(`x\x19${'t'.repeat(40)}`)).toBe('');
    });
  });

  test('any bytes are read or refused, never anything else', () => {
    const reads: ((fields: FieldReader, n: number) => unknown)[] = [
      (fields, n) => fields.bytes(n, 'f'),
      (fields, n) => fields.text(n, 'f'),
      (fields, n) => fields.number(n, 'f'),
      (fields, n) => fields.hexNumber(n, 'f'),
      (fields) => fields.der('f'),
      (fields) => fields.choice(['0', 'A'], 'f'),
      (fields) => fields.takes('%'),
      (fields) => fields.end(),
    ];
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 60 }),
        fc.array(fc.tuple(fc.nat(reads.length - 1), fc.nat(8))),
        (body, steps) => {
          const fields = reader(body);
          for (const [which, n] of steps) codeOf(() => reads[which]!(fields, n));
          expect(fields.trailer.length).toBeLessThanOrEqual(33);
        },
      ),
    );
  });
});
