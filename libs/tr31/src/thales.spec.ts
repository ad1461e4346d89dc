import { describe, expect, test } from '@jest/globals';
import { hex, thalesVectors, upperHex } from '../../../test/support/tr31-vectors.ts';
import {
  formatThalesHeader,
  type LmkHandle,
  lmkCheckValue,
  lmkHandle,
  parseThalesHeader,
  type ThalesHeader,
  Tr31Error,
  thalesCombinationProblem,
  thalesKeyUsages,
} from './thales.ts';

const { test_lmks, s_block_v0, s_block_v1, s_block_v0_rsa_private } = thalesVectors;
const zmk1 = s_block_v0.vectors.find(({ name }) => name === 'ZMK-1')!.clear_key;
const keyOf = (lmk: string) => hex(test_lmks[lmk as keyof typeof test_lmks]?.key ?? zmk1);
const symmetric = [...s_block_v1.vectors, ...s_block_v0.vectors];
const code = (expected: string) => expect.objectContaining({ name: 'Tr31Error', code: expected });

const aesLmk = keyOf('aes_key_block');
const tdesLmk = keyOf('tdes_key_block');
const versions: [ThalesHeader['versionId'], Uint8Array][] = [
  ['0', tdesLmk],
  ['1', aesLmk],
];

function header(versionId: ThalesHeader['versionId'], changes: Partial<ThalesHeader> = {}): ThalesHeader {
  return {
    versionId,
    keyUsage: 'B0',
    algorithm: 'T',
    modeOfUse: 'N',
    keyVersion: '00',
    exportability: 'S',
    lmkId: '01',
    optionalBlocks: [],
    ...changes,
  };
}

describe('published blocks, byte for byte', () => {
  test.each(symmetric.map((vector) => [`${vector.header} ${vector.name ?? ''}`, vector] as const))(
    '%s',
    (_, vector) => {
      const lmk = lmkHandle(keyOf(vector.lmk));
      expect(parseThalesHeader(vector.block).text).toBe(vector.header);
      const { header, key } = lmk.unwrap(vector.block);
      expect(upperHex(key)).toBe(vector.clear_key);
      expect(lmk.wrap(header, key, { padding: hex(vector.pad) })).toBe(vector.block);
    },
  );

  test.each(s_block_v0_rsa_private.vectors.map((vector) => [vector.name, vector] as const))(
    'private key: %s',
    (_, vector) => {
      const lmk = lmkHandle(tdesLmk);
      const { header, key } = lmk.unwrapPrivateKey(hex(vector.block_hex));
      expect(formatThalesHeader(header, 688)).toBe(vector.header);
      expect(upperHex(key)).toBe(vector.plaintext_hex);
      expect(upperHex(lmk.wrapPrivateKey(header, key, { padding: hex(vector.pad) }))).toBe(vector.block_hex);
      // SEQUENCE of five unsigned INTEGERs, the first two p and q: 128 bytes each behind 02 81 80.
      const [p, q] = [7, 138].map((at) => BigInt(`0x${upperHex(key.subarray(at, at + 128))}`)) as [
        bigint,
        bigint,
      ];
      expect((p * q).toString(16).toUpperCase()).toBe(vector.modulus);
    },
  );

  test.each(s_block_v1.negative.map((vector) => [vector.name, vector] as const))(
    'refused: %s',
    (_, vector) => {
      const lmk = lmkHandle(vector.lmk_key ? hex(vector.lmk_key) : aesLmk);
      expect(() => lmk.unwrap(vector.block)).toThrow(code('TR31_UNWRAP_FAILED'));
    },
  );

  test('check value of the public AES test LMK', () => {
    expect(upperHex(lmkCheckValue(aesLmk))).toBe(test_lmks.aes_key_block.check_value);
  });
});

describe.each(versions)('version %s', (versionId, lmkKey) => {
  const key = new Uint8Array(16).map((_, i) => i);
  const block = lmkHandle(lmkKey).wrap(header(versionId), key);

  test('both engines open what the other wrapped', () => {
    const openssl = lmkHandle(lmkKey, 'openssl');
    expect(openssl.unwrap(block).key).toEqual(key);
    expect(lmkHandle(lmkKey).unwrap(openssl.wrap(header(versionId), key)).key).toEqual(key);
  });

  test('lengths are those of a payShield without length hiding', () => {
    for (const bytes of versionId === '1' ? [16, 24, 32] : [8, 16, 24]) {
      const wrapped = lmkHandle(lmkKey).wrap(header(versionId), new Uint8Array(bytes));
      expect(wrapped).toHaveLength(
        versionId === '1'
          ? 16 + 32 * Math.ceil((2 + bytes) / 16) + 16
          : 16 + 16 * Math.ceil((2 + bytes) / 8) + 8,
      );
    }
  });

  test('a flipped bit in every position is refused, and in the body with one error only', () => {
    const lmk = lmkHandle(lmkKey);
    for (let at = 0; at < block.length; at++) {
      for (let bit = 0; bit < 7; bit++) {
        const changed =
          block.slice(0, at) + String.fromCharCode(block.charCodeAt(at) ^ (1 << bit)) + block.slice(at + 1);
        if (at >= 16 && changed[at]!.toUpperCase() === block[at]) continue;
        const hexDigit = /[0-9A-F]/i.test(changed[at]!);
        expect(() => lmk.unwrap(changed)).toThrow(
          at >= 16 && hexDigit ? code('TR31_UNWRAP_FAILED') : Tr31Error,
        );
      }
    }
  });

  test('a flipped bit in every position of a private key block is refused', () => {
    const lmk = lmkHandle(lmkKey);
    const der = Uint8Array.from([0x30, 0x06, 0x02, 0x01, 7, 0x02, 0x01, 9]);
    const rsa = header(versionId, { keyUsage: '03', algorithm: 'R', modeOfUse: 'S', exportability: 'N' });
    const binary = lmk.wrapPrivateKey(rsa, der);
    expect(lmk.unwrapPrivateKey(binary)).toEqual({ header: rsa, key: der });
    for (let bit = 0; bit < 8 * binary.length; bit++) {
      const changed = Uint8Array.from(binary);
      changed[bit >>> 3]! ^= 1 << (bit & 7);
      const inMac = bit >>> 3 >= binary.length - (versionId === '1' ? 16 : 8);
      if (
        inMac &&
        String.fromCharCode(changed[bit >>> 3]!).toUpperCase() === String.fromCharCode(binary[bit >>> 3]!)
      )
        continue;
      expect(() => lmk.unwrapPrivateKey(changed)).toThrow(Tr31Error);
    }
  });

  test('a private key block that holds no DER SEQUENCE is refused, and one with padding is cut', () => {
    const lmk = lmkHandle(lmkKey);
    const rsa = header(versionId, { keyUsage: '03', algorithm: 'R', modeOfUse: 'S' });
    const open = (...bytes: number[]) => {
      const content = new Uint8Array(304);
      content.set(bytes);
      return lmk.unwrapPrivateKey(lmk.wrapPrivateKey(rsa, content)).key.length;
    };
    for (const head of [
      [0x31, 3],
      [0x30, 0x80],
      [0x30, 0x83, 0, 0, 5],
      [0x30, 0xff],
      [0x30, 0x82, 2, 0],
    ]) {
      expect(() => open(...head)).toThrow(code('TR31_KEY_LENGTH_FIELD'));
    }
    expect([open(0x30, 3), open(0x30, 0x7f), open(0x30, 0x81, 200), open(0x30, 0x82, 1, 0)]).toEqual([
      5, 129, 203, 260,
    ]);
  });

  test('every wrong length is refused', () => {
    const lmk = lmkHandle(lmkKey);
    for (let length = 0; length < block.length; length++) {
      const text = block.slice(0, length);
      const relabelled = text[0] + length.toString().padStart(4, '0') + text.slice(5);
      expect(() => lmk.unwrap(text)).toThrow(Tr31Error);
      if (length >= 5) expect(() => lmk.unwrap(relabelled)).toThrow(Tr31Error);
    }
  });

  test('text in place of a key is refused', () => {
    const text = '0001020304050607' as unknown as Uint8Array;
    expect(() => lmkHandle(lmkKey).wrap(header(versionId), text)).toThrow(code('TR31_ARGUMENT'));
    expect(() => lmkHandle(text)).toThrow(code('TR31_ARGUMENT'));
  });

  test('a header is printable: no character that looks to the MAC like another', () => {
    const lmk = lmkHandle(lmkKey);
    const block = lmk.wrap(header(versionId, { optionalBlocks: [{ id: '05', data: 'label' }] }), key);
    for (const other of ['l\u0161bel', 'l\u00e1bel', 'l\u0000bel', 'l\u007fbel']) {
      expect(() => lmk.unwrap(block.replace('label', other))).toThrow(code('THALES_FORMAT'));
    }
    const optionalBlocks = [{ id: '05', data: 'l\u0161bel' }];
    expect(() => lmk.wrap(header(versionId, { optionalBlocks }), key)).toThrow(code('THALES_FORMAT'));
  });

  test('optional blocks are padded and authenticated', () => {
    const lmk = lmkHandle(lmkKey);
    const optionalBlocks = [
      { id: '00', data: 'L' },
      { id: '05', data: 'branch 7' },
    ];
    const wrapped = lmk.wrap(header(versionId, { optionalBlocks }), key);
    const opened = lmk.unwrap(wrapped);
    expect(opened.key).toEqual(key);
    expect(opened.header.optionalBlocks.slice(0, 2)).toEqual(optionalBlocks);
    expect(opened.header.optionalBlocks[2]?.id).toBe('PB');
    expect(() => lmk.unwrap(wrapped.replace('branch 7', 'branch 8'))).toThrow(code('TR31_UNWRAP_FAILED'));
  });

  test.each([
    ['THALES_OPTIONAL_BLOCK', [{ id: '00', data: 'X' }]],
    ['THALES_OPTIONAL_BLOCK', [{ id: '01', data: '01' }]],
    ['THALES_OPTIONAL_BLOCK', [{ id: '02', data: '' }]],
    ['THALES_OPTIONAL_BLOCK', [{ id: '03', data: '2024:01:01' }]],
    ['THALES_OPTIONAL_BLOCK', [{ id: '04', data: '20240101:00' }]],
    ['THALES_OPTIONAL_BLOCK', [{ id: '05', data: '' }]],
    ['THALES_OPTIONAL_BLOCK', [{ id: 'KV', data: '123' }]],
    [
      'THALES_OPTIONAL_BLOCK',
      [
        { id: 'PB', data: '' },
        { id: 'KV', data: '1234' },
      ],
    ],
    [
      'THALES_OPTIONAL_BLOCK_REPEATED',
      [
        { id: 'KS', data: '1' },
        { id: 'KS', data: '2' },
      ],
    ],
  ])('%s: %j', (expected, optionalBlocks) => {
    expect(() => lmkHandle(lmkKey).wrap(header(versionId, { optionalBlocks }), key)).toThrow(code(expected));
  });

  test('refused once disposed of', () => {
    const lmk = lmkHandle(lmkKey);
    lmk.dispose();
    const calls: ((handle: LmkHandle) => unknown)[] = [
      (handle) => handle.wrap(header(versionId), key),
      (handle) => handle.unwrap(block),
    ];
    for (const call of calls) expect(() => call(lmk)).toThrow(code('TR31_DISPOSED'));
  });
});

describe('headers', () => {
  const good = '00072B0TN00E0001'.padEnd(72, '0');

  test.each([
    [2, 'A'],
    [5, '-'],
    [7, '1'],
    [8, 'b'],
    [9, '-1'],
    [9, 'cx'],
    [11, 'X'],
    [12, '0A'],
    [14, 'F0'],
  ])('character %d changed to %s is refused', (at, text) => {
    const changed = good.slice(0, at) + text + good.slice(at + text.length);
    expect(() => parseThalesHeader(changed)).toThrow(code('THALES_FORMAT'));
  });

  test('unknown usages are kept, and the LMK id FF', () => {
    const parsed = parseThalesHeader('00072ZZTN00E00FF'.padEnd(72, '0')).header;
    expect(parsed).toMatchObject({ keyUsage: 'ZZ', lmkId: 'FF' });
  });

  test('a field of another length cannot move the others', () => {
    const lmk = lmkHandle(tdesLmk);
    expect(() => lmk.wrap(header('0', { keyUsage: 'B', algorithm: '0T' }), new Uint8Array(16))).toThrow(
      code('TR31_ARGUMENT'),
    );
  });

  test('a version 0 block needs a 3DES LMK', () => {
    expect(() => lmkHandle(aesLmk).wrap(header('0'), new Uint8Array(16))).toThrow(code('TR31_KBPK_LENGTH'));
  });
});

describe('key usages', () => {
  test('convert to X9.143', () => {
    const converted = ['B0', '41', '52', '72', '25', '36', '54', 'M6'].map(
      (usage) => thalesKeyUsages[usage]?.x9143,
    );
    expect(converted).toEqual(['B0', 'B0', 'K0', 'P0', 'D0', 'M3', undefined, 'M6']);
  });

  test('name the field that does not fit', () => {
    expect(thalesCombinationProblem('B0', 'A', 'N')).toBeUndefined();
    expect(thalesCombinationProblem('ZZ', 'A', 'N')).toBe('keyUsage');
    expect(thalesCombinationProblem('42', 'A', 'N')).toBe('algorithm');
    expect(thalesCombinationProblem('B0', 'A', 'B')).toBe('modeOfUse');
    expect(thalesCombinationProblem('B0', 'A', '')).toBe('modeOfUse');
    expect(thalesCombinationProblem('constructor', 'A', 'N')).toBe('keyUsage');
  });

  test('every recorded block is in the table', () => {
    for (const { block } of symmetric) {
      const { keyUsage, algorithm, modeOfUse } = parseThalesHeader(block).header;
      expect(thalesCombinationProblem(keyUsage, algorithm, modeOfUse)).toBeUndefined();
    }
  });
});
