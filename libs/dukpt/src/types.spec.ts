import { expect, test } from '@jest/globals';
import {
  AesDukptRegisters,
  type AesKeyType,
  type AesKeyUsage,
  type DukptError,
  type DukptErrorCode,
  deriveAesWorkingKey,
  deriveTdesWorkingKey,
  encryptPinBlock,
  formatTdesKsn,
  generateMac,
  SealedRegisters,
  TdesDukptRegisters,
  type TdesKeyUsage,
  type TdesKsn,
} from './index.ts';

// Checked by the compiler (`tsc -p test`): each line that must not compile says so, and an unused mark is an error.

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

export const usages: [
  Equal<
    AesKeyUsage,
    | 'KEK'
    | 'PIN'
    | 'MAC_GEN'
    | 'MAC_VER'
    | 'MAC_BOTH'
    | 'DATA_ENC'
    | 'DATA_DEC'
    | 'DATA_BOTH'
    | 'KEY_DERIVATION'
  >,
  Equal<AesKeyType, '2TDEA' | '3TDEA' | 'AES128' | 'AES192' | 'AES256' | 'HMAC128' | 'HMAC192' | 'HMAC256'>,
  Equal<
    TdesKeyUsage,
    'PIN' | 'MAC_REQUEST' | 'MAC_RESPONSE' | 'MAC_BOTH' | 'DATA_REQUEST' | 'DATA_RESPONSE' | 'DATA_BOTH'
  >,
  Equal<DukptError['code'], DukptErrorCode>,
] = [true, true, true, true];

export async function refusedByTheCompiler(key: Uint8Array, ksn: Uint8Array, parsed: TdesKsn): Promise<void> {
  // @ts-expect-error a usage of the other algorithm
  deriveTdesWorkingKey(key, 'MAC_GEN');
  // @ts-expect-error a usage of the other algorithm
  deriveAesWorkingKey(key, ksn, 'MAC_REQUEST', 'AES128');
  // @ts-expect-error the initial key is no working key
  deriveAesWorkingKey(key, ksn, 'IK', 'AES128');
  // @ts-expect-error HMAC has a length
  deriveAesWorkingKey(key, ksn, 'MAC_BOTH', 'HMAC');
  // @ts-expect-error keys are bytes, never text
  deriveTdesWorkingKey('042666B49184CFA368DE9628D0397BC9', 'PIN');
  // @ts-expect-error a PIN is bytes, never text
  encryptPinBlock(0, key, '1234', '4012345678909');
  // @ts-expect-error format 1 does not go with DUKPT
  encryptPinBlock(1, key, key, '4012345678909');
  // @ts-expect-error a CMAC is under TDES or AES
  generateMac('CMAC', key, key);
  // @ts-expect-error fields are not changed in place
  parsed.counter = 1;
  // @ts-expect-error a KSN has all its fields
  formatTdesKsn({ keySetId: key, counter: 1 });
  // @ts-expect-error registers come from `load` or `fromState`
  new TdesDukptRegisters(ksn, 1);
  // @ts-expect-error TDES has no update key
  TdesDukptRegisters.load(key, ksn).updateKey('AES128');
  const sealed = await SealedRegisters.load(
    AesDukptRegisters.load(key, ksn),
    undefined as never,
    undefined as never,
  );
  sealed.registers.updateKey('AES128');
  // @ts-expect-error `next` of the registers inside would go past the memory
  sealed.registers.next();
}

test('the declarations say what the package accepts', () => {
  expect(usages).toEqual([true, true, true, true]);
});
