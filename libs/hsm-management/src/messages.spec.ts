import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatMessage, MessageReader } from './messages.ts';

describe('messages', () => {
  const message = fc.record({
    line: fc.dictionary(fc.string(), fc.string()),
    payload: fc.uint8Array({ maxLength: 200 }),
  });

  test('come out as they went in, however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 5 }), fc.array(fc.nat(50)), (messages, pieces) => {
        const sent = messages.map(({ line: { payloadBytes: _, ...line }, payload }) => ({ line, payload }));
        const stream = Buffer.concat(sent.map(({ line, payload }) => formatMessage(line, payload)));
        const reader = new MessageReader();
        const read = [];
        let at = 0;
        for (const length of [...pieces, stream.length]) {
          read.push(...reader.push(Buffer.from(stream.subarray(at, at + length))));
          at += length;
        }
        expect(
          read.map(({ line: { payloadBytes: _, ...line }, payload }) => ({ line, payload: [...payload] })),
        ).toEqual(sent.map(({ line, payload }) => ({ line: { ...line }, payload: [...payload] })));
      }),
    );
  });

  test('what was read from is wiped', () => {
    const chunk = formatMessage({ command: 'x' }, Buffer.from('secret'));
    const [message] = new MessageReader().push(chunk);
    expect(message!.payload.toString()).toBe('secret');
    expect(chunk.every((byte) => byte === 0)).toBe(true);
  });

  test.each([
    'no JSON\n',
    '[]\n',
    'null\n',
    '1\n',
    '{"payloadBytes":-1}\n',
    '{"payloadBytes":1.5}\n',
    '{"payloadBytes":"1"}\n',
    '{"payloadBytes":65537}\n',
    `{"a":"${'x'.repeat(70_000)}"`,
  ])('refuses %s', (text) => {
    expect(() => new MessageReader().push(Buffer.from(text))).toThrow(
      expect.objectContaining({ code: 'HSM_MESSAGE' }),
    );
  });
});
