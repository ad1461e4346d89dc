import { describe, expect, test } from '@jest/globals';
import { keyBlockText } from '../../../test/support/key-block-text.ts';
import { algorithms, inspectKeyBlock, type KeyUsage, keyUsages, modesOfUse } from './header.ts';

/** usage: modes, algorithms; once more by hand, so that a changed row must be meant. */
const expected = `
  B0: X TA      B1: X TA      B2: XY T      B3: X TA      C0: CGV TA    D0: BDE TA    D1: BDE RE    D2: BDE TA
  D3: BDE TA    E0: X TA      E1: X TA      E2: X TA      E3: X TA      E4: X TA      E5: X TA      E6: X TA
  E7: BDE RE    I0: N TA      K0: BDE TA    K1: BDE TA    K2: BDE RE    K3: BDEX RE   K4: BDE TA    M0: CGV T
  M1: CGV TDA   M2: CGV TDA   M3: CGV TD    M4: CGV TDA   M5: CGV TD    M6: CGV TA    M7: CGV H     M8: CGV TDA
  P0: BDE TA    P1: G TA      S0: SV RES    S1: SV RES    S2: SVTBDE RES  V0: CGV TA  V1: CGV T     V2: CGV T
  V3: CGV T     V4: CGV T     V5: CGV T`;
const rows = [...expected.matchAll(/(\w\w): (\w+) (\w+)/g)].map(([, usage, modes, letters]) => ({
  usage: usage as KeyUsage,
  modes: modes!,
  letters: letters!,
}));

test('the table has these usages', () => {
  expect(rows.map(({ usage }) => usage)).toEqual(Object.keys(keyUsages));
});

describe.each(rows)('$usage', ({ usage, modes, letters }) => {
  test('every mode with every algorithm: accepted by the row, refused beside it with the right code', () => {
    for (const mode of Object.keys(modesOfUse)) {
      for (const algorithm of Object.keys(algorithms)) {
        const { findings } = inspectKeyBlock(keyBlockText({ attributes: `${usage}${algorithm}${mode}00E` }));
        const codes: string[] = [];
        if ('IJ'.includes(algorithm)) codes.push('TR31_ALGORITHM_HMAC_HASH');
        const hmac = usage === 'M7' && 'IJ'.includes(algorithm);
        if (!letters.includes(algorithm) && !hmac) codes.push('TR31_ALGORITHM_FOR_USAGE');
        if (!modes.includes(mode))
          codes.push(mode === 'N' ? 'TR31_MODE_UNRESTRICTED' : 'TR31_MODE_FOR_USAGE');
        expect(findings.map(({ code }) => code).sort()).toEqual(codes.sort());
      }
    }
  });
});

test('every other pair of characters is no usage, every other character no algorithm and no mode', () => {
  const printable = Array.from({ length: 0x5f }, (_, n) => String.fromCharCode(0x20 + n));
  const withCode = (code: string, values: string[], attributes: (value: string) => string) =>
    values.filter((value) =>
      inspectKeyBlock(keyBlockText({ attributes: attributes(value) })).findings.some(
        (found) => found.code === code,
      ),
    );
  const unknown = (values: string[], table: object, proprietary: RegExp) =>
    values.filter((value) => !Object.hasOwn(table, value) && !proprietary.test(value));

  const pairs = printable.flatMap((first) => printable.map((second) => first + second));
  const digitPairs = pairs.filter((pair) => /^\d\d$/.test(pair));
  const asUsage = (pair: string) => `${pair}AX00E`;
  expect(withCode('TR31_KEY_USAGE', pairs, asUsage)).toEqual(unknown(pairs, keyUsages, /^\d\d$/));
  expect(withCode('TR31_KEY_USAGE_PROPRIETARY', pairs, asUsage)).toEqual(digitPairs);
  expect(withCode('TR31_ALGORITHM', printable, (letter) => `B0${letter}X00E`)).toEqual(
    unknown(printable, algorithms, /never^/),
  );
  const asMode = (letter: string) => `B0A${letter}00E`;
  expect(withCode('TR31_MODE', printable, asMode)).toEqual(unknown(printable, modesOfUse, /\d/));
  expect(withCode('TR31_MODE_PROPRIETARY', printable, asMode)).toEqual([...'0123456789']);
});
