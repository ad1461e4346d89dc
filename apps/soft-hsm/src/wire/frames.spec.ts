import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FrameReader, frame } from './frames.ts';

const messages = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 });
const toText = (buffers: readonly Uint8Array[]) => buffers.map((bytes) => Buffer.from(bytes).toString('hex'));

/** All that `reader` gives for `bytes`, pushed in pieces of the given lengths and then the rest. */
function pushAll(bytes: Buffer, pieces: readonly number[]): Buffer[] {
  const reader = new FrameReader();
  const read: Buffer[] = [];
  let at = 0;
  for (const length of [...pieces, bytes.length]) {
    read.push(...reader.push(bytes.subarray(at, at + length)));
    at += length;
  }
  return read;
}

describe('FrameReader', () => {
  test('messages come out as they went in, however the stream is cut', () => {
    fc.assert(
      fc.property(messages, fc.array(fc.nat(40)), (sent, pieces) => {
        const stream = frame(sent);
        expect(toText(pushAll(stream, pieces))).toEqual(toText(sent));
      }),
    );
  });

  test('one byte at a time', () => {
    const sent = [Buffer.from('HEADNC'), Buffer.alloc(0), Buffer.from('HEADNO00')];
    const stream = frame(sent);
    expect(toText(pushAll(stream, Array(stream.length).fill(1)))).toEqual(toText(sent));
  });

  test('the length is unsigned: 65,535 bytes, in pieces', () => {
    const longest = Buffer.alloc(0xffff, 0x41);
    const stream = frame([longest, Buffer.from('x')]);
    const read = pushAll(stream, Array(20).fill(3000));
    expect(read.map(({ length }) => length)).toEqual([0xffff, 1]);
  });

  test('what is not complete stays', () => {
    const reader = new FrameReader();
    expect(reader.push(Buffer.from([0x00]))).toEqual([]);
    expect(reader.push(Buffer.from([0x02, 0x41]))).toEqual([]);
    expect(toText(reader.push(Buffer.from([0x42, 0x00])))).toEqual(['4142']);
    expect(toText(reader.push(Buffer.from([0x00])))).toEqual(['']);
  });
});
