import { expect, test } from '@jest/globals';
import type {
  FindingCode,
  KbpkHandle,
  KeyBlockHeader,
  KeyUsage,
  OptionalBlockContent,
  ProfileName,
  Tr31ErrorCode,
  Unwrapped,
  wrap,
} from './index.ts';
import type { ThalesHeader } from './thales.ts';

/*
 * The declarations, tested by the type check of the tests (`tsc -p test`): each line that must not compile says so, and
 * stops compiling when it does.
 */
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const holds = <T extends true>(): T | undefined => undefined;

holds<Equal<ReturnType<typeof wrap>, string>>();
holds<Equal<ReturnType<KbpkHandle['unwrap']>, Unwrapped>>();
holds<Equal<Unwrapped['key'], Uint8Array>>();
holds<Equal<ThalesHeader['versionId'], '0' | '1'>>();
holds<Equal<KeyBlockHeader['versionId'], 'A' | 'B' | 'C' | 'D' | 'E'>>();
holds<Equal<Extract<OptionalBlockContent, { id: 'TC' | 'TS' }>['time'], Date>>();

const usage: KeyUsage = 'B1';
// @ts-expect-error a usage that X9.143 does not have
const unknownUsage: KeyUsage = 'B9';
const profile: ProfileName = 'ibm-dk';
// @ts-expect-error a profile that is not there
const unknownProfile: ProfileName = 'relaxed';
const code: FindingCode = 'TR31_KS_FIT';
// @ts-expect-error a rule that is not there: a label goes with any header
const unknownCode: FindingCode = 'TR31_LB_FIT';
const errorCode: Tr31ErrorCode = 'TR31_UNWRAP_FAILED';

test('the declarations compile as written above', () => {
  expect([usage, unknownUsage, profile, unknownProfile, code, unknownCode, errorCode]).toHaveLength(7);
});

test('a switch over the content of an optional block narrows', () => {
  const content = { id: 'KC', method: 'CMAC', checkValue: '012345' } as OptionalBlockContent;
  expect(content.id === 'KC' ? content.checkValue : undefined).toBe('012345');
});
