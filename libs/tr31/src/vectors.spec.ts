import { describe, expect, test } from '@jest/globals';
import { aes, kcvAes, kcvTdes, tdes } from '@openkdh/block-ciphers';
import { hex, type KeyBlockVector, keyBlockVectors, upperHex } from '../../../test/support/tr31-vectors.ts';
import { derivedKeys, variantKeys } from './derive.ts';
import { formatHeader, inspectKeyBlock, kbpk, parseHeader, Tr31Error, unwrap, wrap } from './index.ts';

const { cases, errata } = keyBlockVectors;
const title = ({ id, standard }: KeyBlockVector) => (standard ? `${id}, ${standard}` : id);

/** What we call the reasons for which the vector file says that a strict reader refuses. */
const codesOf: Record<string, string[]> = {
  'usage-mode-pair': ['TR31_MODE_UNRESTRICTED', 'TR31_MODE_FOR_USAGE', 'TR31_MODE_PROPRIETARY'],
  'key-length': ['TR31_KEY_LENGTH_FOR_ALGORITHM'],
  'not-obfuscated': ['TR31_NOT_OBFUSCATED'],
  'ks-content': ['TR31_KS_CONTENT', 'TR31_KS_PRINTABLE'],
  'time-content': ['TR31_TS_CONTENT', 'TR31_TC_CONTENT'],
  'lower-case-hex': ['TR31_HEX_LOWER_CASE'],
};

/**
 * Block KS on a key that is neither a BDK nor an initial key. The file does not list it as a reason, but its facts say
 * that KS belongs with B0 or B1, and that such blocks come from implementers' tests only.
 */
const misplacedKs = ['tr31-A-010', 'tr31-B-026', 'tr31-D-056', 'tr31-D-057', 'tr31-D-058', 'tr31-D-063'];

test('the file has the 70 published examples', () => {
  expect(cases).toHaveLength(70);
  expect(new Set(cases.map(({ header }) => header.versionId))).toEqual(new Set('ABCDE'));
});

describe('derivation', () => {
  test.each(cases.map((vector) => [title(vector), vector] as const))('%s', (_, vector) => {
    const key = hex(vector.kbpk);
    const { versionId } = vector.header;
    const keys =
      versionId === 'A' || versionId === 'C'
        ? variantKeys(key)
        : derivedKeys(
            versionId === 'B' ? tdes(key) : aes(key),
            key.length,
            versionId === 'E' ? 'CTR' : 'CBC',
          );
    expect(upperHex(keys.kbek)).toBe(vector.derived.kbek);
    expect(upperHex(keys.kbak)).toBe(vector.derived.kbak);
  });
});

describe('check value', () => {
  const withKcv = cases.filter(({ kcv }) => kcv !== undefined);
  test.each(withKcv.map((vector) => [title(vector), vector] as const))('%s', (_, { header, key, kcv }) => {
    const computed = header.algorithm === 'A' ? kcvAes(hex(key), 5) : kcvTdes(hex(key));
    expect(upperHex(computed)).toBe(kcv);
  });
});

describe('header, without a key', () => {
  test.each(cases.map((vector) => [title(vector), vector] as const))('%s', (_, vector) => {
    const { header, text } = parseHeader(vector.keyBlock, { profile: 'lenient' });
    const { raw, length, optionalBlockCount, reserved, ...fields } = vector.header;
    expect(header).toEqual({ ...fields, optionalBlocks: vector.optionalBlocks });
    expect(header.optionalBlocks).toHaveLength(optionalBlockCount);
    expect(text.startsWith(raw)).toBe(true);
    expect(formatHeader(header, length)).toBe(text);
    const parts = inspectKeyBlock(vector.keyBlock).fields;
    expect(parts.map(({ at }) => at.start)).toEqual([0, ...parts.slice(0, -1).map(({ at }) => at.end)]);
    expect(parts.at(-1)?.at.end).toBe(length);
  });
});

describe('unwrap and wrap, byte for byte', () => {
  test.each(cases.map((vector) => [title(vector), vector] as const))('%s', (_, vector) => {
    const { header, key, padding } = unwrap(hex(vector.kbpk), vector.keyBlock, { profile: 'lenient' });
    expect(upperHex(key)).toBe(vector.key);
    expect(upperHex(padding)).toBe(vector.padding.toUpperCase());
    const again = wrap(hex(vector.kbpk), header, key, { profile: 'lenient', padding });
    // Hex is written in upper case; one published block has lower case after its header.
    expect(again).toBe(vector.id === 'tr31-D-038' ? vector.keyBlock.toUpperCase() : vector.keyBlock);
  });

  test('a handle gives the same, from both engines', () => {
    for (const engine of ['table', 'openssl'] as const) {
      for (const vector of cases) {
        const handle = kbpk(hex(vector.kbpk), engine);
        const { header, key, padding } = handle.unwrap(vector.keyBlock, { profile: 'lenient' });
        expect(upperHex(key)).toBe(vector.key);
        const again = handle.wrap(header, key, { profile: 'lenient', padding });
        expect(again).toBe(wrap(hex(vector.kbpk), header, key, { profile: 'lenient', padding }));
        handle.dispose();
      }
    }
  });

  test('maskedKeyLength in bytes, as the file counts it, gives the published length', () => {
    for (const { kbpk: key, keyBlock, key: wrapped, maskedKeyLength, padding, header } of cases) {
      expect(wrapped.length / 2 + padding.length / 2).toBe(maskedKeyLength);
      const parsed = parseHeader(keyBlock, { profile: 'lenient' }).header;
      const again = wrap(hex(key), parsed, hex(wrapped), { profile: 'lenient', maskedKeyLength });
      expect(again).toHaveLength(header.length);
    }
  });
});

describe('strict', () => {
  test.each(cases.map((vector) => [title(vector), vector] as const))('%s', (_, vector) => {
    const reasons = (vector.strictDeviations ?? []).map((reason) => codesOf[reason]!);
    const codes = codesMet(() => unwrap(hex(vector.kbpk), vector.keyBlock));
    for (const reason of reasons) expect(codes.some((code) => reason.includes(code))).toBe(true);
    const unexplained = codes.filter((code) => !reasons.flat().includes(code));
    expect(unexplained).toEqual(misplacedKs.includes(vector.id) ? ['TR31_KS_FIT'] : []);
    // The reader that lets everything pass met the same.
    const { deviations } = unwrap(hex(vector.kbpk), vector.keyBlock, { profile: 'lenient' });
    expect(deviations.map(({ code }) => code)).toEqual(codes);
  });
});

describe('errata', () => {
  test.each(
    errata
      .filter(({ keyBlockAsPrinted }) => keyBlockAsPrinted)
      .map((erratum) => [erratum.id, erratum] as const),
  )('%s: refused as printed for its length field, and with the length repaired for its MAC', (_, erratum) => {
    const printed = erratum.keyBlockAsPrinted!;
    const repaired = `${printed[0]}${printed.length.toString().padStart(4, '0')}${printed.slice(5)}`;
    expect(codesMet(() => unwrap(hex(erratum.kbpk!), printed, { profile: 'lenient' }))).toEqual([
      'TR31_LENGTH',
    ]);
    expect(() => unwrap(hex(erratum.kbpk!), repaired, { profile: 'lenient' })).toThrow(
      expect.objectContaining({ code: 'TR31_UNWRAP_FAILED' }),
    );
  });
});

/** The codes of the findings that a call was refused for; none if it was not. */
function codesMet(call: () => unknown): string[] {
  try {
    call();
    return [];
  } catch (refusal) {
    if (refusal instanceof Tr31Error) return refusal.findings.map(({ code }) => code);
    throw refusal;
  }
}
