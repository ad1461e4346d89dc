import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { hex, keyBlockVectors, upperHex } from '../../../test/support/tr31-vectors.ts';
import {
  type KeyBlockHeader,
  kbpk,
  parseHeader,
  Tr31Error,
  unwrap,
  type VersionId,
  versions,
  wrap,
} from './index.ts';

const versionIds = Object.keys(versions) as VersionId[];
const protectionKey = new Uint8Array(24).map((_, i) => i + 1);
const key = new Uint8Array(16).map((_, i) => 0xa0 + i);

function header(versionId: VersionId, changes: Partial<KeyBlockHeader> = {}): KeyBlockHeader {
  return {
    versionId,
    keyUsage: 'P0',
    algorithm: 'T',
    modeOfUse: 'E',
    keyVersion: '00',
    exportability: 'E',
    keyContext: '0',
    optionalBlocks: [{ id: 'LB', data: 'terminal 7' }],
    ...changes,
  };
}

const code = (expected: string) => expect.objectContaining({ name: 'Tr31Error', code: expected });

describe.each(versionIds)('version %s', (versionId) => {
  const block = wrap(protectionKey, header(versionId), key);

  test('a flipped bit in every position is refused, and after the header with one error only', () => {
    const headerEnd = parseHeader(block).text.length;
    const handle = kbpk(protectionKey);
    const answers = new Set<string>();
    for (let at = 0; at < block.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = String.fromCharCode(block.charCodeAt(at) ^ (1 << bit));
        // Hex in the other case is the same block, written differently.
        if (at >= headerEnd && changed.toUpperCase() === block[at]) continue;
        const refusal = refusalOf(() =>
          handle.unwrap(block.slice(0, at) + changed + block.slice(at + 1), { profile: 'lenient' }),
        );
        if (!(refusal instanceof Tr31Error))
          throw new Error(`accepted with bit ${bit} of character ${at} changed`);
        if (at >= headerEnd && /[0-9A-F]/i.test(changed)) {
          answers.add(JSON.stringify([refusal.code, refusal.message, refusal.findings]));
        }
      }
    }
    expect([...answers]).toEqual([
      '["TR31_UNWRAP_FAILED","key block verification failed; possibly the wrong KBPK",[]]',
    ]);
  });

  test('every wrong length is refused, also when the length field is made to fit', () => {
    const handle = kbpk(protectionKey);
    const longest = block.length + 80;
    for (let length = 0; length <= longest; length++) {
      if (length === block.length) continue;
      const text = block.slice(0, length).padEnd(length, '0');
      const fitting = text.slice(0, 1) + length.toString().padStart(4, '0') + text.slice(5);
      expect(() => handle.unwrap(text, { profile: 'lenient' })).toThrow(Tr31Error);
      expect(() => handle.unwrap(fitting, { profile: 'lenient' })).toThrow(Tr31Error);
    }
    expect(() => handle.unwrap(`${block}0`, { profile: 'lenient' })).toThrow(code('TR31_LENGTH'));
  });

  test('the wrong KBPK, by any single bit, gives the one error', () => {
    for (let bit = 0; bit < 8 * protectionKey.length; bit++) {
      // Parity bits of TDES keys do not count in A and C, and count in the derivation of neither.
      if (versions[versionId].cipher === 'TDES' && bit % 8 === 0) continue;
      const wrong = Uint8Array.from(protectionKey);
      wrong[bit >>> 3]! ^= 1 << (bit & 7);
      expect(() => unwrap(wrong, block)).toThrow(code('TR31_UNWRAP_FAILED'));
    }
  });

  test('relabelled as any other version it is refused', () => {
    for (const other of versionIds) {
      if (other === versionId) continue;
      expect(() => unwrap(protectionKey, other + block.slice(1), { profile: 'lenient' })).toThrow(Tr31Error);
    }
  });

  test('every KBPK length that the version does not have is refused', () => {
    for (let bytes = 0; bytes <= 40; bytes++) {
      if ((versions[versionId].kbpkBytes as readonly number[]).includes(bytes)) continue;
      expect(() => unwrap(new Uint8Array(bytes), block)).toThrow(code('TR31_KBPK_LENGTH'));
      expect(() => wrap(new Uint8Array(bytes), header(versionId), key)).toThrow(code('TR31_KBPK_LENGTH'));
    }
  });

  test('key lengths: 16 and 24 come out alike, the others are refused', () => {
    for (let bytes = 0; bytes <= 33; bytes++) {
      const wrapped = new Uint8Array(bytes).fill(1);
      if (bytes === 16 || bytes === 24) {
        expect(wrap(protectionKey, header(versionId), wrapped)).toHaveLength(block.length);
      } else {
        const expected = bytes === 0 ? 'TR31_KEY_LENGTH' : 'TR31_KEY_LENGTH_FOR_ALGORITHM';
        expect(() => wrap(protectionKey, header(versionId), wrapped)).toThrow(code(expected));
      }
    }
  });

  test('every padding that does not fill the cipher block is refused', () => {
    const unit = versions[versionId].payloadUnitBytes;
    for (let bytes = 0; bytes <= 40; bytes++) {
      const options = { padding: new Uint8Array(bytes), letPass: ['TR31_NOT_OBFUSCATED'] as const };
      const wrapIt = () => wrap(protectionKey, header(versionId), key, options);
      if ((2 + key.length + bytes) % unit === 0)
        expect(unwrap(protectionKey, wrapIt(), options).padding).toHaveLength(bytes);
      else expect(wrapIt).toThrow(code('TR31_PADDING_LENGTH'));
    }
  });
});

test('text in place of bytes is refused: as many digits as a key has bytes would pass for another key', () => {
  const digits = '000102030405060708090A0B0C0D0E0F' as unknown as Uint8Array;
  expect(() => wrap(digits, header('D'), key)).toThrow(code('TR31_ARGUMENT'));
  expect(() => unwrap(digits, wrap(protectionKey, header('D'), key))).toThrow(code('TR31_ARGUMENT'));
  const half = digits.slice(0, 16);
  expect(() => wrap(protectionKey, header('D'), half)).toThrow(code('TR31_ARGUMENT'));
});

test('a profile that is not there is refused, whatever the block', () => {
  for (const name of ['Strict', 'constructor', '__proto__']) {
    const options = { profile: name as 'strict' };
    expect(() => wrap(protectionKey, header('D'), key, options)).toThrow(code('TR31_ARGUMENT'));
    const block = wrap(protectionKey, header('D'), key);
    expect(() => unwrap(protectionKey, block, options)).toThrow(code('TR31_ARGUMENT'));
    expect(() => parseHeader(block, options)).toThrow(code('TR31_ARGUMENT'));
  }
});

test('a masked length that no key has is refused', () => {
  for (const maskedKeyLength of [-1, 8192, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(() => wrap(protectionKey, header('D'), key, { maskedKeyLength })).toThrow(
      code('TR31_PADDING_LENGTH'),
    );
  }
});

describe('obfuscation', () => {
  test('is on by default; without it strict refuses both ways, other profiles report it', () => {
    const bare = { maskedKeyLength: 0 };
    expect(() => wrap(protectionKey, header('D', { algorithm: 'A' }), key, bare)).toThrow(
      code('TR31_NOT_OBFUSCATED'),
    );
    const block = wrap(protectionKey, header('D', { algorithm: 'A' }), key, {
      ...bare,
      profile: 'payshield',
    });
    expect(() => unwrap(protectionKey, block)).toThrow(code('TR31_NOT_OBFUSCATED'));
    const { deviations } = unwrap(protectionKey, block, { profile: 'payshield' });
    expect(deviations.map((met) => met.code)).toEqual(['TR31_NOT_OBFUSCATED']);
  });

  test('no longer key gives a longer block, for each symmetric algorithm and version', () => {
    for (const versionId of versionIds) {
      for (const [algorithm, lengths] of [
        ['T', [16, 24]],
        ['A', [16, 24, 32]],
      ] as const) {
        const options = { profile: 'lenient', letPass: ['TR31_KBPK_WEAKER'] } as const;
        const blocks = lengths.map((bytes) =>
          wrap(protectionKey, header(versionId, { algorithm }), new Uint8Array(bytes), options),
        );
        expect(new Set(blocks.map(({ length }) => length)).size).toBe(1);
      }
    }
  });
});

describe('asymmetric keys', () => {
  test('the published RSA and EC keys travel in every version that is long enough', () => {
    for (const id of ['tr31-D-066', 'tr31-D-068']) {
      const vector = keyBlockVectors.cases.find((candidate) => candidate.id === id)!;
      const published = unwrap(hex(vector.kbpk), vector.keyBlock).header;
      // KP names the KBPK of the example, and CT makes it long.
      const optionalBlocks = published.optionalBlocks.filter((block) => !['KP', 'PB'].includes(block.id));
      const strong = new Uint8Array(32).fill(9);
      for (const versionId of ['D', 'E'] as const) {
        const block = wrap(strong, { ...published, versionId, optionalBlocks }, hex(vector.key));
        expect(upperHex(unwrap(strong, block).key)).toBe(vector.key);
      }
      const weak = { letPass: ['TR31_KBPK_WEAKER'] } as const;
      expect(() =>
        wrap(protectionKey, { ...published, versionId: 'B', optionalBlocks }, hex(vector.key)),
      ).not.toThrow(code('TR31_KEY_FORM'));
      const block = wrap(
        protectionKey,
        { ...published, versionId: 'B', optionalBlocks },
        hex(vector.key),
        weak,
      );
      expect(upperHex(unwrap(protectionKey, block, weak).key)).toBe(vector.key);
    }
  });
});

describe('strength: the KBPK is never weaker than the key', () => {
  const strengths: [VersionId, number, string, number, boolean][] = [
    ['B', 16, 'T', 16, true],
    ['B', 16, 'T', 24, false],
    ['B', 24, 'T', 24, true],
    ['B', 24, 'A', 16, false],
    ['D', 16, 'T', 24, true],
    ['D', 16, 'A', 16, true],
    ['D', 16, 'A', 24, false],
    ['D', 24, 'A', 24, true],
    ['D', 24, 'A', 32, false],
    ['D', 32, 'A', 32, true],
  ];
  test.each(strengths)(
    'version %s, KBPK of %d bytes, key %s of %d bytes: %s',
    (versionId, kbpkBytes, algorithm, keyBytes, fits) => {
      const strong = new Uint8Array(kbpkBytes).fill(3);
      const call = () => wrap(strong, header(versionId, { algorithm }), new Uint8Array(keyBytes).fill(5));
      if (fits) call();
      else expect(call).toThrow(code('TR31_KBPK_WEAKER'));
    },
  );

  test('no profile lets a weaker KBPK pass; an override by name does, and reports it', () => {
    const weak = new Uint8Array(16).fill(3);
    const strong = new Uint8Array(32).fill(5);
    const aes = header('D', { algorithm: 'A' });
    expect(() => wrap(weak, aes, strong, { profile: 'lenient' })).toThrow(code('TR31_KBPK_WEAKER'));
    const block = wrap(weak, aes, strong, { letPass: ['TR31_KBPK_WEAKER'] });
    expect(() => unwrap(weak, block, { profile: 'lenient' })).toThrow(code('TR31_KBPK_WEAKER'));
    expect(unwrap(weak, block, { letPass: ['TR31_KBPK_WEAKER'] }).deviations).toHaveLength(1);
  });
});

describe('a handle', () => {
  test('refuses everything once disposed of, and disposing twice is harmless', () => {
    const handle = kbpk(protectionKey);
    const block = handle.wrap(header('D'), key);
    handle.dispose();
    handle.dispose();
    expect(() => handle.unwrap(block)).toThrow(code('TR31_DISPOSED'));
    expect(() => handle.wrap(header('B'), key)).toThrow(code('TR31_DISPOSED'));
  });

  test('keeps its own copy of the KBPK and leaves the caller’s key alone', () => {
    const mine = Uint8Array.from(protectionKey);
    const handle = kbpk(mine);
    mine.fill(0);
    const mineToo = Uint8Array.from(key);
    const block = handle.wrap(header('E'), mineToo);
    expect(mineToo).toEqual(key);
    expect(unwrap(protectionKey, block).key).toEqual(key);
  });

  test('gives each unwrap a key of its own', () => {
    const handle = kbpk(protectionKey);
    const block = handle.wrap(header('B'), key);
    const first = handle.unwrap(block).key;
    first.fill(0);
    expect(handle.unwrap(block).key).toEqual(key);
  });
});

describe('wrap', () => {
  test('adds PB with letters and digits, and keeps one that the caller gives if it fits', () => {
    for (let label = 1; label < 40; label++) {
      const block = wrap(
        protectionKey,
        header('D', { optionalBlocks: [{ id: 'LB', data: 'x'.repeat(label) }] }),
        key,
      );
      const parsed = parseHeader(block).header;
      const padding = parsed.optionalBlocks.find(({ id }) => id === 'PB');
      if (padding) expect(padding.data).toMatch(/^[0-9A-Za-z]*$/);
      expect(parseHeader(wrap(protectionKey, parsed, key)).header).toEqual(parsed);
    }
  });

  test('takes padding and filler from the given source, so that a block can be repeated', () => {
    const random = (bytes: number) => new Uint8Array(bytes).fill(9);
    expect(wrap(protectionKey, header('D'), key, { random })).toBe(
      wrap(protectionKey, header('D'), key, { random }),
    );
    expect(wrap(protectionKey, header('D'), key)).not.toBe(wrap(protectionKey, header('D'), key));
  });

  test('refuses a header field of the wrong length before it touches the key', () => {
    const fields = {
      keyUsage: ['P', 'P00', ''],
      algorithm: ['TT', ''],
      modeOfUse: ['EE', ''],
      keyVersion: ['0', '000'],
      exportability: ['', 'EE'],
      keyContext: ['', '00'],
    };
    for (const [field, values] of Object.entries(fields)) {
      for (const value of values) {
        expect(() =>
          wrap(protectionKey, header('D', { [field]: value }), key, { profile: 'lenient' }),
        ).toThrow(Tr31Error);
      }
    }
    const optionalBlocks = [{ id: 'L', data: 'x' }];
    expect(() => wrap(protectionKey, header('D', { optionalBlocks }), key, { profile: 'lenient' })).toThrow(
      Tr31Error,
    );
  });

  test('refuses what would be longer than 9999 characters or have more than 99 optional blocks', () => {
    const long = [{ id: 'LB', data: 'x'.repeat(9900) }];
    expect(() => wrap(protectionKey, header('D', { optionalBlocks: long }), key)).toThrow(
      code('TR31_BLOCK_TOO_LONG'),
    );
    const many = Array.from({ length: 100 }, (_, n) => ({ id: `9${n}`.slice(0, 2), data: '' }));
    expect(() => wrap(protectionKey, header('D', { optionalBlocks: many }), key)).toThrow(
      code('TR31_BLOCK_TOO_LONG'),
    );
    const rsa = header('D', { keyUsage: 'S0', algorithm: 'R', modeOfUse: 'S' });
    expect(() => wrap(protectionKey, rsa, new Uint8Array(8192))).toThrow(code('TR31_KEY_LENGTH'));
  });

  // Each block was read back once by an independent reader, in Python over `cryptography` 48.
  test('2,000 blocks of all versions, accumulated', () => {
    const seeded = (n: number) => (bytes: number) =>
      new Uint8Array(createHash('shake256', { outputLength: bytes }).update(`seed ${n}`).digest());
    const digest = createHash('sha256');
    for (let n = 0; n < 2000; n++) {
      const random = seeded(n);
      const versionId = versionIds[n % 5]!;
      digest.update(wrap(random(24), header(versionId), random(16), { random }));
    }
    expect(digest.digest('hex')).toBe('edf9ad58cb0e4015810c254fbb5b032584a95f1febcac52fdb014db52b1bee38');
  });
});

function refusalOf(call: () => unknown): unknown {
  try {
    call();
  } catch (refusal) {
    return refusal;
  }
  return undefined;
}
