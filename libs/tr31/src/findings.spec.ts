import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { kcvAes } from '@openkdh/block-ciphers';
import { hex, upperHex } from '../../../test/support/tr31-vectors.ts';
import { rules } from '../test/rules.ts';
import { bindingOf } from './binding.ts';
import { passableCodes, structuralCodes, trustCodes } from './findings.ts';
import { formatFixedHeader } from './format.ts';
import { asciiBytes } from './hex.ts';
import {
  type FindingCode,
  inspectKeyBlock,
  type KeyBlockHeader,
  parseHeader,
  Tr31Error,
  unwrap,
  wrap,
} from './index.ts';
import { packKeyData } from './key-data.ts';
import { formatPaddedBlocks } from './optional-blocks.ts';

describe('every rule fires, at the characters that break it, and not beside them', () => {
  test.each(rules.map(([code, ...rest], n) => [`${code} ${n}`, code, ...rest] as const))(
    '%s',
    (_, code, broken, kept, pointedAt) => {
      const finding = inspectKeyBlock(broken).findings.find((candidate) => candidate.code === code);
      expect(finding).toBeDefined();
      expect(broken.slice(finding!.at.start, finding!.at.end)).toBe(pointedAt);
      expect(finding!.clause).not.toBe('');
      expect(() => parseHeader(broken)).toThrow(Tr31Error);
      expect(inspectKeyBlock(kept).findings).toEqual([]);
      parseHeader(kept);
    },
  );
});

const kbpk = hex('000102030405060708090A0B0C0D0E0F');
const header: KeyBlockHeader = {
  versionId: 'D',
  keyUsage: 'P0',
  algorithm: 'A',
  modeOfUse: 'E',
  keyVersion: '00',
  exportability: 'E',
  keyContext: '0',
  optionalBlocks: [],
};
const rsaHeader: KeyBlockHeader = { ...header, keyUsage: 'S0', algorithm: 'R', modeOfUse: 'S' };
const withOptional = (id: string, data: string): KeyBlockHeader => ({
  ...header,
  optionalBlocks: [{ id, data }],
});
const key = new Uint8Array(16).fill(7);
const key24 = new Uint8Array(24).fill(7);
const kcv = (of: Uint8Array) => `01${upperHex(kcvAes(of, 5))}`;

/** Rules that need the key in hand: the header and key that break it, and the ones beside that keep it. */
const keyRules: [
  code: FindingCode,
  broken: [KeyBlockHeader, Uint8Array],
  kept: [KeyBlockHeader, Uint8Array],
][] = [
  ['TR31_KEY_LENGTH_FOR_ALGORITHM', [header, new Uint8Array(15).fill(7)], [header, key]],
  ['TR31_KEY_FORM', [rsaHeader, key24], [rsaHeader, rsaPrivateKey(2048)]],
  [
    'TR31_KEY_FORM',
    [{ ...rsaHeader, algorithm: 'E' }, rsaPrivateKey(2048)],
    [rsaHeader, rsaPrivateKey(2048)],
  ],
  ['TR31_KBPK_WEAKER', [header, key24], [header, key]],
  ['TR31_KBPK_WEAKER', [rsaHeader, rsaPrivateKey(7680)], [rsaHeader, rsaPrivateKey(4096)]],
  ['TR31_KC_MISMATCH', [withOptional('KC', '01AAAAAA'), key], [withOptional('KC', kcv(key)), key]],
  ['TR31_KP_MISMATCH', [withOptional('KP', '01AAAAAA'), key], [withOptional('KP', kcv(kbpk)), key]],
  ['TR31_WP_MISMATCH', [withOptional('WP', '000'), key24], [withOptional('WP', '000'), key]],
  ['TR31_WP_MISMATCH', [withOptional('WP', '002'), key24], [withOptional('WP', '002'), key]],
];

describe('every rule about the key fires, on wrap and on unwrap', () => {
  test.each(keyRules.map(([code, ...rest], n) => [`${code} ${n}`, code, ...rest] as const))(
    '%s',
    (_, code, broken, kept) => {
      const refusal = expect.objectContaining({
        findings: expect.arrayContaining([expect.objectContaining({ code })]),
      });
      expect(() => wrap(kbpk, ...broken)).toThrow(refusal);
      expect(() => unwrap(kbpk, forge(...broken))).toThrow(refusal);
      expect(unwrap(kbpk, wrap(kbpk, ...kept)).deviations).toEqual([]);
    },
  );

  test('a pedigree that admits a weaker key is true under one', () => {
    for (const pedigree of ['001', '003']) {
      const block = wrap(kbpk, withOptional('WP', pedigree), key24, { letPass: ['TR31_KBPK_WEAKER'] });
      const { deviations } = unwrap(kbpk, block, { letPass: ['TR31_KBPK_WEAKER'] });
      expect(deviations.map((met) => met.code)).toEqual(['TR31_KBPK_WEAKER']);
    }
  });

  test('TR31_KEY_LENGTH_FIELD: zero, broken bytes, more than there is; whatever the profile', () => {
    for (const bits of [0, 127, 129, 47 * 8, 0xffff]) {
      const data = new Uint8Array(48);
      data.set([bits >> 8, bits & 255]);
      expect(() => unwrap(kbpk, forgeData(header, data), { profile: 'lenient' })).toThrow(
        expect.objectContaining({ code: 'TR31_KEY_LENGTH_FIELD' }),
      );
    }
    const data = new Uint8Array(48);
    data.set([0, 128]);
    expect(unwrap(kbpk, forgeData(header, data)).key).toEqual(new Uint8Array(16));
  });
});

/** What only a text can do wrong: `wrap` writes these right, whatever the header says. */
const writtenRight = [
  'TR31_HEX_LOWER_CASE',
  'TR31_RESERVED',
  'TR31_OPTIONAL_EXTENDED_NEEDLESS',
  'TR31_OPTIONAL_LENGTH_OF_LENGTH',
  'TR31_OPTIONAL_LENGTH_IN_BYTES',
];
const semantic = rules.filter(([code]) => !(structuralCodes as string[]).includes(code));
const lenient = { profile: 'lenient', letPass: trustCodes } as const;

describe('every rule about the header also holds on an authentic block', () => {
  test.each(semantic.map(([code, broken], n) => [`${code} ${n}`, code, broken] as const))(
    'unwrap, %s: refused by its code, reported by a lenient profile, hidden by a wrong MAC',
    (_, code, broken) => {
      const block = seal(broken);
      expect(refusedFor(() => unwrap(kbpk, block))).toContain(code);
      expect(unwrap(kbpk, block, lenient).deviations.map((met) => met.code)).toContain(code);
      const forged = block.slice(0, -1) + (block.endsWith('0') ? '1' : '0');
      expect(() => unwrap(kbpk, forged)).toThrow(expect.objectContaining({ code: 'TR31_UNWRAP_FAILED' }));
    },
  );

  const wrappable = semantic.filter(([code]) => !writtenRight.includes(code));
  test.each(wrappable.map(([code, broken], n) => [`${code} ${n}`, code, broken] as const))(
    'wrap, %s: refused before the key is read',
    (_, code, broken) => {
      const { header } = parseHeader(broken, lenient);
      const options = code === 'TR31_NOT_OBFUSCATED' ? { maskedKeyLength: 0 } : {};
      const unreadable = new Proxy(new Uint8Array(16), {
        get: (bytes, property) => {
          if (property === 'length') return bytes.length;
          throw new Error('the key was read');
        },
      });
      expect(refusedFor(() => wrap(kbpk, header, unreadable, options))).toContain(code);
      expect(unwrap(kbpk, wrap(kbpk, header, key, { ...options, ...lenient }), lenient).key).toEqual(key);
    },
  );
});

describe('coverage', () => {
  test('every code has an example here', () => {
    const shown = new Set([...rules, ...keyRules].map(([code]) => code));
    const elsewhere = ['TR31_KEY_LENGTH_FIELD'];
    const codes = [...structuralCodes, ...trustCodes, ...passableCodes];
    expect(codes.filter((code) => !shown.has(code))).toEqual(elsewhere);
  });
});

/** An authentic block that no wrap of ours would make. */
function forge(of: KeyBlockHeader, wrapped: Uint8Array): string {
  return forgeData(of, packKeyData(wrapped, 16, 32, {}));
}

/** The same header, with a key of 16 bytes behind it and the right MAC. */
function seal(broken: string): string {
  const { text } = parseHeader(broken, lenient);
  const keyData = new Uint8Array((broken.length - text.length) / 2 - 16);
  keyData[1] = 8 * 16;
  const { ciphertext, mac } = bindingOf('D', kbpk, 'table').protect(asciiBytes(text), keyData);
  const body = upperHex(ciphertext) + upperHex(mac);
  return text + (/[a-f]/.test(broken.slice(text.length)) ? body.toLowerCase() : body);
}

function refusedFor(call: () => unknown): string[] {
  try {
    call();
    return [];
  } catch (refusal) {
    if (refusal instanceof Tr31Error) return refusal.findings.map(({ code }) => code);
    throw refusal;
  }
}

function forgeData(of: KeyBlockHeader, keyData: Uint8Array): string {
  const optional = formatPaddedBlocks(of.optionalBlocks, 16, randomBytes);
  const total = 16 + optional.text.length + 2 * keyData.length + 32;
  const text = formatFixedHeader(of, total, optional.count) + optional.text;
  const { ciphertext, mac } = bindingOf('D', kbpk, 'table').protect(asciiBytes(text), keyData);
  return text + upperHex(ciphertext) + upperHex(mac);
}

/** The shape of an RSAPrivateKey (RFC 8017), its numbers made up. */
function rsaPrivateKey(bits: number): Uint8Array {
  const word = (value: number) => [value >> 8, value & 255];
  const integer = (bytes: number) => [0x02, 0x82, ...word(bytes), ...new Array<number>(bytes).fill(0x7f)];
  const modulus = [0x02, 0x82, ...word(bits / 8 + 1), 0, ...new Array<number>(bits / 8).fill(0xff)];
  const parts = [0x02, 1, 0, ...modulus, ...integer(3), ...integer(bits / 8)];
  for (let i = 0; i < 5; i++) parts.push(...integer(bits / 16));
  return Uint8Array.from([0x30, 0x82, ...word(parts.length), ...parts]);
}
