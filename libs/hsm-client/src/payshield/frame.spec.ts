import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import vectors from '../../../../test/vectors/payshield.json' with { type: 'json' };
import { encodeFrame, type Frame, FrameReader, MAX_FRAME_BYTES } from './frame.ts';

const recorded = vectors.a0_mode_b.exchanges[0]!;

function readAll(chunks: Uint8Array[]): Frame[] {
  const reader = new FrameReader();
  return chunks.flatMap((chunk) => reader.push(chunk)!);
}

function text({ header, message }: Frame): string {
  return header + Buffer.from(message).toString('latin1');
}

describe('frames of the host port', () => {
  test.each([
    ['A0 mode B, recorded', recorded.request_ascii, recorded.request_frame_hex],
    ['NC', 'HEADNC', vectors.framing.nc_request_frame_hex],
    ['NO', 'HEADNO00', vectors.framing.no_request_frame_hex],
    ['N0', 'HEADN0008', vectors.framing.n0_request_frame_hex],
    ['B2', 'HEADB20004PING', vectors.framing.b2_request_frame_hex],
  ])('encode %s as in payshield.json', (_name, ascii, hex) => {
    const frame = encodeFrame(ascii.slice(0, 4), Buffer.from(ascii.slice(4), 'latin1'));
    expect(frame.toString('hex').toUpperCase()).toBe(hex);
  });

  test('a recorded answer is read whole wherever it is split in two', () => {
    const bytes = Buffer.from(recorded.answer_frame_hex, 'hex');
    for (let cut = 0; cut <= bytes.length; cut++) {
      const frames = readAll([bytes.subarray(0, cut), bytes.subarray(cut)]);
      expect(frames.map(text)).toEqual([recorded.answer_ascii]);
    }
  });

  test('one-byte fragments of two answers, one after the other', () => {
    const bytes = Buffer.from(recorded.answer_frame_hex + recorded.answer_frame_hex, 'hex');
    const frames = readAll([...bytes].map((byte) => Uint8Array.of(byte)));
    expect(frames.map(text)).toEqual([recorded.answer_ascii, recorded.answer_ascii]);
  });

  test('any frames, merged and cut anywhere, come out as they went in', () => {
    const anyFrame = fc.record({
      header: fc
        .uint8Array({ minLength: 4, maxLength: 4 })
        .map((bytes) => Buffer.from(bytes).toString('latin1')),
      message: fc.uint8Array({ maxLength: 300 }),
    });
    fc.assert(
      fc.property(
        fc.array(anyFrame, { maxLength: 8 }),
        fc.array(fc.nat(2000), { maxLength: 12 }),
        (frames, cuts) => {
          const stream = Buffer.concat(frames.map(({ header, message }) => encodeFrame(header, message)));
          const ends = [...cuts.filter((cut) => cut < stream.length).sort((a, b) => a - b), stream.length];
          const chunks = ends.map((end, i) => stream.subarray(ends[i - 1] ?? 0, end));
          expect(readAll(chunks).map(text)).toEqual(frames.map(text));
        },
      ),
    );
  });

  test('the longest frame, 65535 bytes after the length field', () => {
    const message = new Uint8Array(MAX_FRAME_BYTES - 4).fill(0x41);
    const bytes = encodeFrame('0001', message);
    const frames = readAll([bytes.subarray(0, 1000), bytes.subarray(1000)]);
    expect(frames).toHaveLength(1);
    expect(frames[0]!.message).toHaveLength(message.length);
  });

  test.each([0, 1, 2, 3])('a frame of %i bytes cannot hold a header: the stream is given up', (length) => {
    expect(new FrameReader().push(Uint8Array.of(0, length, 1, 2, 3))).toBeUndefined();
  });
});
