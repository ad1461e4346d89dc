import { describe, expect, test } from '@jest/globals';
import { hex, keyBlockVectors } from '../../../test/support/tr31-vectors.ts';
import { finding, passableCodes, structuralCodes, trustCodes } from './findings.ts';
import { type Finding, type FindingCode, type ProfileName, profiles, Tr31Error, unwrap } from './index.ts';
import { judge } from './profiles.ts';

const allCodes: readonly FindingCode[] = [...structuralCodes, ...trustCodes, ...passableCodes];
const found = (code: FindingCode): Finding => ({ ...finding('TR31_LENGTH', 0, 1, 'x'), code });

/** The dialects, once more by hand: a change of a profile must be meant. */
const letPass: Record<ProfileName, readonly FindingCode[]> = {
  strict: [],
  'tr31-2018': ['TR31_NOT_OBFUSCATED', 'TR31_KS_AES'],
  payshield: ['TR31_NOT_OBFUSCATED', 'TR31_MODE_UNRESTRICTED'],
  'ibm-dk': [
    'TR31_NOT_OBFUSCATED',
    'TR31_KS_PRINTABLE',
    'TR31_KEY_USAGE_PROPRIETARY',
    'TR31_MODE_PROPRIETARY',
  ],
  iso20038: ['TR31_NOT_OBFUSCATED', 'TR31_ALGORITHM_HMAC_HASH'],
  lenient: passableCodes,
};

describe.each(Object.entries(letPass) as [ProfileName, readonly FindingCode[]][])('%s', (profile, passed) => {
  test.each(allCodes.map((code) => [code, passed.includes(code)] as const))(
    '%s passes: %s',
    (code, passes) => {
      const findings = [found(code)];
      if (passes) expect(judge(findings, { profile })).toEqual(findings);
      else expect(() => judge(findings, { profile })).toThrow(expect.objectContaining({ code, findings }));
    },
  );
});

test('the profiles are these six', () => {
  expect(Object.keys(profiles)).toEqual(Object.keys(letPass));
});

test('strict is the default', () => {
  expect(() => judge([found('TR31_NOT_OBFUSCATED')])).toThrow(Tr31Error);
});

test('an override lets one code pass and no other, and never a broken structure', () => {
  const options = { letPass: ['TR31_KBPK_WEAKER'] } as const;
  expect(judge([found('TR31_KBPK_WEAKER')], options)).toHaveLength(1);
  expect(() => judge([found('TR31_KBPK_WEAKER'), found('TR31_RESERVED')], options)).toThrow(
    expect.objectContaining({ code: 'TR31_RESERVED', findings: [found('TR31_RESERVED')] }),
  );
  const structural = { letPass: ['TR31_LENGTH'] } as unknown as typeof options;
  expect(() => judge([found('TR31_LENGTH')], structural)).toThrow(Tr31Error);
});

test('which published examples each dialect reads', () => {
  const read = (profile: ProfileName) =>
    keyBlockVectors.cases.filter(({ kbpk, keyBlock }) => {
      try {
        unwrap(hex(kbpk), keyBlock, { profile });
        return true;
      } catch {
        return false;
      }
    }).length;
  expect({
    strict: read('strict'),
    'tr31-2018': read('tr31-2018'),
    payshield: read('payshield'),
    'ibm-dk': read('ibm-dk'),
    iso20038: read('iso20038'),
    lenient: read('lenient'),
  }).toEqual({ strict: 34, 'tr31-2018': 45, payshield: 52, 'ibm-dk': 47, iso20038: 45, lenient: 70 });
});
