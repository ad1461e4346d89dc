import { rowOf } from '../tables.ts';

export interface ThalesKeyUsageRow {
  meaning: string;
  /** The usage that it becomes in an X9.143 block; undefined where there is none. */
  x9143: string | undefined;
  /** Algorithm letter to the mode letters that go with it. */
  modes: Readonly<Record<string, string>>;
}

function usage(
  meaning: string,
  x9143: string | undefined,
  algorithms: string,
  modes: string,
): ThalesKeyUsageRow {
  return { meaning, x9143, modes: Object.fromEntries([...algorithms].map((letter) => [letter, modes])) };
}

/**
 * Key usages of Thales key blocks. Source: CryptoCarver @33e53df, which cites the payShield 10K host programmer's
 * manual, chapter 8; agrees with ut-codec-payshield and the AWS sample where these overlap. Not read in the manual.
 */
export const thalesKeyUsages: Readonly<Record<string, ThalesKeyUsageRow>> = {
  '01': usage('WatchWord key', undefined, 'DT', 'CGNV'),
  '02': { meaning: 'Public key', x9143: undefined, modes: { R: 'ENV', E: 'NVX' } },
  '03': {
    meaning: 'Private key, signing or key management',
    x9143: undefined,
    modes: { R: 'DNS', E: 'NSX' },
  },
  '04': usage('Private key for ICC', undefined, 'R', 'DNS'),
  '05': usage('Private key for PIN translation', undefined, 'R', 'DNS'),
  '06': usage('Private key for TLS', undefined, 'R', 'DNS'),
  B0: usage('BDK-1', 'B0', 'AT', 'NX'),
  41: usage('BDK-2', 'B0', 'AT', 'NX'),
  42: usage('BDK-3', 'B0', 'T', 'NX'),
  43: usage('BDK-4', 'B0', 'AT', 'NX'),
  44: usage('BDK-5', 'B0', 'T', 'NX'),
  B1: usage('DUKPT initial key', 'B1', 'AT', 'NX'),
  C0: usage('Card verification, generic', 'C0', 'AT', 'CGNV'),
  11: usage('Card verification, CSC', 'C0', 'T', 'CGNV'),
  12: usage('Card verification, CVC', 'C0', 'T', 'CGNV'),
  13: usage('Card verification, CVV', 'C0', 'AT', 'CGNV'),
  D0: usage('Data encryption, generic', 'D0', 'ADT', 'BDEN'),
  21: usage('Data encryption key (DEK)', 'D0', 'ADT', 'BDEN'),
  22: usage('Zone encryption key (ZEK)', 'D0', 'ADT', 'BDEN'),
  23: usage('Terminal encryption key (TEK)', 'D0', 'ADT', 'BDEN'),
  24: usage('Transport key', undefined, 'A', 'BDEN'),
  25: usage('CTR data key', 'D0', 'A', 'BDEN'),
  E0: usage('EMV master key: application cryptograms', 'E0', 'AT', 'NX'),
  E1: usage('EMV master key: secure messaging, confidentiality', 'E1', 'AT', 'NX'),
  E2: usage('EMV master key: secure messaging, integrity', 'E2', 'AT', 'NX'),
  E3: usage('EMV master key: data authentication code', 'E3', 'AT', 'NX'),
  E4: usage('EMV master key: dynamic numbers', 'E4', 'T', 'NX'),
  E5: usage('EMV master key: card personalisation', 'E5', 'T', 'NX'),
  E6: usage('EMV master key: other', 'E6', 'AT', 'NX'),
  // E7 and 32 to 39 without 35 and 36: AES, some of them TDES too; which ones is not known, so both are allowed.
  E7: usage('EMV master key', undefined, 'AT', 'NX'),
  32: usage('EMV master key, mobile', 'E6', 'AT', 'NX'),
  33: usage('EMV or mobile key', undefined, 'AT', 'NX'),
  34: usage('EMV or mobile key', undefined, 'AT', 'NX'),
  35: usage('Mobile session key, encryption', undefined, 'A', 'BDEN'),
  36: usage('Mobile session key, MAC', 'M3', 'A', 'CN'),
  37: usage('EMV or mobile key', undefined, 'AT', 'NX'),
  38: usage('EMV or mobile key', undefined, 'AT', 'NX'),
  39: usage('EMV or mobile key', undefined, 'AT', 'NX'),
  40: usage('EMV personalisation or session key', undefined, 'T', 'N'),
  47: usage('EMV personalisation or session key', undefined, 'AT', 'BN'),
  48: usage('EMV personalisation or session key', undefined, 'AT', 'GVN'),
  49: usage('EMV personalisation or session key', undefined, 'T', 'BE'),
  K0: usage('Key encryption, generic', 'K0', 'ADT', 'BDEN'),
  K1: usage('Key block protection key (KBPK)', 'K1', 'AT', 'BDEN'),
  51: usage('Terminal master key (TMK)', 'K0', 'ADT', 'BDEN'),
  52: usage('Zone master key (ZMK)', 'K0', 'ADT', 'BDEN'),
  53: usage('ZKA master key', '11', 'AT', 'X'),
  54: usage('Key encryption key', undefined, 'AT', 'BDEN'),
  55: usage('Transport key', undefined, 'A', 'E'),
  56: usage('National scheme', undefined, 'DT', 'NX'),
  57: usage('National scheme', undefined, 'DT', 'NX'),
  M0: usage('MAC, ISO 16609 algorithm 1', 'M0', 'T', 'CGNV'),
  M1: usage('MAC, ISO 9797-1 algorithm 1', 'M1', 'DT', 'CGNV'),
  M2: usage('MAC, ISO 9797-1 algorithm 2', 'M2', 'DT', 'CGNV'),
  M3: usage('MAC, ISO 9797-1 algorithm 3', 'M3', 'T', 'CGNV'),
  M4: usage('MAC, ISO 9797-1 algorithm 4', 'M4', 'T', 'CGNV'),
  M5: usage('MAC, ISO 9797-1 algorithm 5', 'M5', 'AT', 'CGNV'),
  M6: usage('MAC, CMAC', 'M6', 'A', 'CGNV'),
  61: usage('HMAC with SHA-1', undefined, 'H', 'CGNV'),
  62: usage('HMAC with SHA-224', undefined, 'H', 'CGNV'),
  63: usage('HMAC with SHA-256', undefined, 'H', 'CGNV'),
  64: usage('HMAC with SHA-384', undefined, 'H', 'CGNV'),
  65: usage('HMAC with SHA-512', undefined, 'H', 'CGNV'),
  P0: usage('PIN encryption, generic', 'P0', 'ADT', 'BDEN'),
  71: usage('Terminal PIN key (TPK)', 'P0', 'ADT', 'BDEN'),
  72: usage('Zone PIN key (ZPK)', 'P0', 'ADT', 'BDEN'),
  73: usage('Terminal key register', 'P0', 'DT', 'N'),
  V0: usage('PIN verification, other', 'V0', 'DT', 'CGNV'),
  V1: usage('PIN verification, IBM 3624', 'V1', 'DT', 'CGNV'),
  V2: usage('PIN verification, Visa PVV', 'V2', 'ADT', 'CGNV'),
};

/** The first of usage, algorithm and mode that the table does not have in this combination; undefined if it has. */
export function thalesCombinationProblem(
  keyUsage: string,
  algorithm: string,
  modeOfUse: string,
): 'keyUsage' | 'algorithm' | 'modeOfUse' | undefined {
  const row = rowOf(thalesKeyUsages, keyUsage);
  if (!row) return 'keyUsage';
  const modes = rowOf(row.modes, algorithm);
  if (!modes) return 'algorithm';
  return modes.includes(modeOfUse) && modeOfUse.length === 1 ? undefined : 'modeOfUse';
}
