import { KeyUsage as AwsKeyUsage, type KeyModesOfUse } from '@aws-sdk/client-payment-cryptography';
import { HsmError } from '../errors.ts';
import type { Exportability, KeyAlgorithm } from '../hsm.ts';

/** Key algorithms by the service's names. */
export const awsAlgorithms = {
  T2: 'TDES_2KEY',
  T3: 'TDES_3KEY',
  A128: 'AES_128',
  A192: 'AES_192',
  A256: 'AES_256',
} as const satisfies Record<KeyAlgorithm, string>;

/** Exportability of a key block by the service's names. */
export const awsExportabilities = {
  E: 'EXPORTABLE',
  N: 'NON_EXPORTABLE',
  S: 'SENSITIVE',
} as const satisfies Record<Exportability, string>;

/** `B0` to TR31_B0_BASE_DERIVATION_KEY. Throws HSM_UNSUPPORTED for a usage that the service does not have. */
export function awsKeyUsage(usage: string): AwsKeyUsage {
  const name = Object.values(AwsKeyUsage).find((each) => each.startsWith(`TR31_${usage}_`));
  if (name === undefined)
    throw new HsmError('HSM_UNSUPPORTED', `AWS Payment Cryptography has no key usage ${usage}`);
  return name;
}

/** X9.143:2021, table 4. Keys that protect keys (usage K) wrap where others encrypt. */
export function awsModesOfUse(usage: string, modeOfUse: string): KeyModesOfUse {
  const wraps = usage.startsWith('K');
  const encrypt: KeyModesOfUse = wraps ? { Encrypt: true, Wrap: true } : { Encrypt: true };
  const decrypt: KeyModesOfUse = wraps ? { Decrypt: true, Unwrap: true } : { Decrypt: true };
  switch (modeOfUse) {
    case 'B':
      return { ...encrypt, ...decrypt };
    case 'C':
      return { Generate: true, Verify: true };
    case 'D':
      return decrypt;
    case 'E':
      return encrypt;
    case 'G':
      return { Generate: true };
    case 'N':
      return { NoRestrictions: true };
    case 'S':
      return { Sign: true };
    case 'V':
      return { Verify: true };
    case 'X':
      return { DeriveKey: true };
    default:
      throw new HsmError('HSM_BAD_REQUEST', 'mode of use: expected one of B C D E G N S V X');
  }
}

/** AES check values are CMACs, those of TDES encrypted zeros: as on a payShield. */
export function checkValueAlgorithm(algorithm: KeyAlgorithm): 'CMAC' | 'ANSI_X9_24' {
  return algorithm.startsWith('A') ? 'CMAC' : 'ANSI_X9_24';
}
