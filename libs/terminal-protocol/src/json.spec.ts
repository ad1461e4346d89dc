import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ProtocolError } from './errors.ts';
import { parseFrame } from './json.ts';
import { protocolLimits } from './limits.ts';

const refused = (code: string) => expect.objectContaining({ name: 'ProtocolError', code, fatal: true });

/** JSON of arrays around `1` inside an object: `depth` levels in all. */
function nested(depth: number): string {
  return `{"a":${'['.repeat(depth - 1)}1${']'.repeat(depth - 1)}}`;
}

describe('parseFrame', () => {
  test('depth 8 is taken, 9 is not, in arrays and in objects', () => {
    expect(parseFrame(nested(8))).toHaveProperty('a');
    expect(() => parseFrame(nested(9))).toThrow(refused('BAD_MESSAGE'));
    expect(() => parseFrame(`${'{"a":'.repeat(9)}1${'}'.repeat(9)}`)).toThrow(refused('BAD_MESSAGE'));
    expect(() => parseFrame(`[${nested(8)}]`)).toThrow(refused('BAD_MESSAGE'));
  });

  test('nesting as deep as a frame is long does not exhaust the stack', () => {
    const half = protocolLimits.maxFrameBytes / 2;
    expect(() => parseFrame('['.repeat(half) + ']'.repeat(half))).toThrow(refused('BAD_MESSAGE'));
    expect(() => parseFrame('['.repeat(2 * half))).toThrow(refused('BAD_MESSAGE'));
  });

  test('64 KiB are taken, one byte more is not; bytes count, not characters', () => {
    const text = (bytes: number) => `{"a":"${'x'.repeat(bytes - 8)}"}`;
    expect(parseFrame(text(protocolLimits.maxFrameBytes))).toHaveProperty('a');
    expect(() => parseFrame(text(protocolLimits.maxFrameBytes + 1))).toThrow(refused('TOO_LARGE'));
    expect(() => parseFrame(text(protocolLimits.maxFrameBytes).replace('xx', 'éé'))).toThrow(
      refused('TOO_LARGE'),
    );
  });

  test.each(['__proto__', 'constructor', 'prototype'])('no member %s, at any depth', (name) => {
    expect(() => parseFrame(`{"${name}":1}`)).toThrow(refused('BAD_MESSAGE'));
    expect(() => parseFrame(`{"a":[{"${name}":{"b":1}}]}`)).toThrow(refused('BAD_MESSAGE'));
    expect(() => parseFrame(`{"\\u00${name.charCodeAt(0).toString(16)}${name.slice(1)}":1}`)).toThrow(
      refused('BAD_MESSAGE'),
    );
    expect(parseFrame(`{"a":"${name}"}`)).toEqual({ a: name });
  });

  test.each(['', '{', 'null', 'true', '1', '"a"', '[]', '{"a":1}x', "{'a':1}", '\u0000'])(
    '%j is refused',
    (text) => {
      expect(() => parseFrame(text)).toThrow(refused('BAD_MESSAGE'));
    },
  );

  test('the refusal does not quote the frame', () => {
    expect(() => parseFrame('{"pin":1234')).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('pin') }),
    );
  });

  test('any text gives an object or a ProtocolError', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json({ maxDepth: 12 })), (text) => {
        try {
          expect(parseFrame(text)).toEqual(JSON.parse(text));
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
    );
  });
});
