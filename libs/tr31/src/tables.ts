/**
 * The header values of ANSI X9.143, as data: each row says what it means, what fits it, and its clause.
 * The standard is a paid document and was not read: meanings and clause numbers are those cited by openemv/tr31, modes
 * by usage those of TR-31:2018 as documented by psec and chhil/TR31Keyblock. A clause that ends in "derived" marks a
 * row whose modes or algorithms follow from the meaning only.
 */

const table1 = 'X9.143:2021, 6.2, table 1';
const table2 = 'X9.143:2021, 6.3.1, table 2';
const table2Derived = 'X9.143:2021, 6.3.1, table 2; modes or algorithms derived';
const table3 = 'X9.143:2021, 6.3.2, table 3';
const table4 = 'X9.143:2021, 6.3.3, table 4';
const table6 = 'X9.143:2021, 6.3.5, table 6';

export type VersionId = 'A' | 'B' | 'C' | 'D' | 'E';

export interface Version {
  meaning: string;
  /** Cipher of the KBPK. */
  cipher: 'TDES' | 'AES';
  /** Length of the KBPK in bytes. */
  kbpkBytes: readonly number[];
  /** Optional blocks together are a multiple of this many characters. */
  blockBytes: 8 | 16;
  /** The encrypted key data are a multiple of this many bytes: 1 where the mode is CTR. */
  payloadUnitBytes: 1 | 8 | 16;
  /** Length of the MAC in bytes; twice as many characters. */
  macBytes: 4 | 8 | 16;
  clause: string;
}

const tdes = { cipher: 'TDES', kbpkBytes: [16, 24], blockBytes: 8, payloadUnitBytes: 8 } as const;
const aes = { cipher: 'AES', kbpkBytes: [16, 24, 32], blockBytes: 16 } as const;

export const versions: Record<VersionId, Version> = {
  A: { ...tdes, macBytes: 4, meaning: 'TDES, key variant binding (deprecated)', clause: 'TR-31:2005' },
  B: {
    ...tdes,
    macBytes: 8,
    meaning: 'TDES, key derivation binding',
    clause: 'TR-31:2010; X9.143:2021, 6.2',
  },
  C: { ...tdes, macBytes: 4, meaning: 'TDES, key variant binding', clause: 'TR-31:2010; X9.143:2021, 6.2' },
  D: {
    ...aes,
    payloadUnitBytes: 16,
    macBytes: 16,
    meaning: 'AES-CBC, key derivation binding',
    clause: 'TR-31:2018; X9.143:2021, 6.2',
  },
  E: {
    ...aes,
    payloadUnitBytes: 1,
    macBytes: 16,
    meaning: 'AES-CTR, key derivation binding',
    clause: 'ISO 20038:2017',
  },
};

export interface KeyUsageRow {
  meaning: string;
  /** Letters of table 4 that fit. */
  modes: string;
  /** Letters of table 3 that fit. */
  algorithms: string;
  clause: string;
}

function usage(meaning: string, modes: string, algorithms: string, clause = table2): KeyUsageRow {
  return { meaning, modes, algorithms, clause };
}

export const keyUsages = {
  B0: usage('Base derivation key (BDK)', 'X', 'TA'),
  B1: usage('Initial DUKPT key (IK, IPEK)', 'X', 'TA'),
  B2: usage('Base key variant (deprecated)', 'XY', 'T'), // X in psec, Y in chhil/TR31Keyblock
  B3: usage('Key derivation key, not X9.24', 'X', 'TA'),
  C0: usage('Card verification', 'CGV', 'TA'),
  D0: usage('Data encryption, symmetric', 'BDE', 'TA'),
  D1: usage('Data encryption, asymmetric', 'BDE', 'RE', table2Derived),
  D2: usage('Data encryption for the decimalisation table', 'BDE', 'TA', table2Derived),
  D3: usage('Data encryption, sensitive data', 'BDE', 'TA', table2Derived),
  E0: usage('EMV issuer master key: application cryptograms', 'X', 'TA'),
  E1: usage('EMV issuer master key: secure messaging, confidentiality', 'X', 'TA'),
  E2: usage('EMV issuer master key: secure messaging, integrity', 'X', 'TA'),
  E3: usage('EMV issuer master key: data authentication code', 'X', 'TA', table2Derived),
  E4: usage('EMV issuer master key: dynamic numbers', 'X', 'TA', table2Derived),
  E5: usage('EMV issuer master key: card personalisation', 'X', 'TA', table2Derived),
  E6: usage('EMV issuer master key: other', 'X', 'TA', table2Derived),
  E7: usage('EMV asymmetric key pair for PIN encryption', 'BDE', 'RE', table2Derived),
  I0: usage('Initialisation vector', 'N', 'TA', table2Derived),
  K0: usage('Key encryption or wrapping (KEK)', 'BDE', 'TA', table2Derived),
  K1: usage('Key block protection key (KBPK) of TR-31 and X9.143', 'BDE', 'TA', table2Derived),
  K2: usage('TR-34 asymmetric key of the KRD', 'BDE', 'RE', table2Derived),
  K3: usage('Asymmetric key for key wrapping or key agreement', 'BDEX', 'RE', table2Derived),
  K4: usage('Key block protection key (KBPK) of ISO 20038', 'BDE', 'TA', table2Derived),
  M0: usage('MAC, ISO 16609 algorithm 1 with TDES', 'CGV', 'T', table2Derived),
  M1: usage('MAC, ISO 9797-1 algorithm 1 (CBC-MAC)', 'CGV', 'TDA', table2Derived),
  M2: usage('MAC, ISO 9797-1 algorithm 2', 'CGV', 'TDA', table2Derived),
  M3: usage('MAC, ISO 9797-1 algorithm 3 (retail MAC)', 'CGV', 'TD', table2Derived),
  M4: usage('MAC, ISO 9797-1 algorithm 4', 'CGV', 'TDA', table2Derived),
  M5: usage('MAC, ISO 9797-1:1999 algorithm 5 (legacy)', 'CGV', 'TD', table2Derived),
  M6: usage('MAC, ISO 9797-1:2011 algorithm 5 (CMAC)', 'CGV', 'TA', table2Derived),
  M7: usage('MAC, HMAC', 'CGV', 'HIJ', table2Derived),
  M8: usage('MAC, ISO 9797-1 algorithm 6', 'CGV', 'TDA', table2Derived),
  P0: usage('PIN encryption', 'BDE', 'TA', table2Derived),
  P1: usage('PIN generation', 'G', 'TA', table2Derived),
  S0: usage('Asymmetric key for digital signature', 'SV', 'RES', table2Derived),
  S1: usage('Asymmetric key of a certification authority', 'SV', 'RES', table2Derived),
  S2: usage('Asymmetric key, not X9.24', 'SVTBDE', 'RES', table2Derived),
  V0: usage('PIN verification, other', 'CGV', 'TA', table2Derived),
  V1: usage('PIN verification, IBM 3624', 'CGV', 'T', table2Derived),
  V2: usage('PIN verification, Visa PVV', 'CGV', 'T', table2Derived),
  V3: usage('PIN verification, X9.132 algorithm 1', 'CGV', 'T', table2Derived),
  V4: usage('PIN verification, X9.132 algorithm 2', 'CGV', 'T', table2Derived),
  V5: usage('PIN verification, X9.132 algorithm 3', 'CGV', 'T', table2Derived),
} as const satisfies Record<string, KeyUsageRow>;
export type KeyUsage = keyof typeof keyUsages;

export interface AlgorithmRow {
  meaning: string;
  /** Length of the key in bytes, where the algorithm has fixed ones. */
  keyBytes?: readonly number[];
  asymmetric: boolean;
  clause: string;
}

export const algorithms = {
  A: { meaning: 'AES', keyBytes: [16, 24, 32], asymmetric: false, clause: table3 },
  D: { meaning: 'DES', keyBytes: [8], asymmetric: false, clause: table3 },
  E: { meaning: 'Elliptic curve', asymmetric: true, clause: table3 },
  H: { meaning: 'HMAC', asymmetric: false, clause: table3 },
  I: { meaning: 'HMAC with SHA-2', asymmetric: false, clause: 'ISO 20038:2017' },
  J: { meaning: 'HMAC with SHA-3', asymmetric: false, clause: 'ISO 20038:2017' },
  R: { meaning: 'RSA', asymmetric: true, clause: table3 },
  S: { meaning: 'DSA', asymmetric: true, clause: table3 },
  T: { meaning: 'TDES', keyBytes: [16, 24], asymmetric: false, clause: table3 },
} as const satisfies Record<string, AlgorithmRow>;
export type Algorithm = keyof typeof algorithms;

export const modesOfUse = {
  B: { meaning: 'Encrypt and decrypt', clause: table4 },
  C: { meaning: 'Generate and verify a MAC', clause: table4 },
  D: { meaning: 'Decrypt only', clause: table4 },
  E: { meaning: 'Encrypt only', clause: table4 },
  G: { meaning: 'Generate only', clause: table4 },
  N: { meaning: 'No restriction but that of the key usage', clause: table4 },
  S: { meaning: 'Sign only', clause: table4 },
  T: { meaning: 'Sign and decrypt', clause: 'TR-31:2018' },
  V: { meaning: 'Verify only', clause: table4 },
  X: { meaning: 'Derive keys', clause: table4 },
  Y: { meaning: 'Make key variants', clause: table4 },
} as const satisfies Record<string, { meaning: string; clause: string }>;
export type ModeOfUse = keyof typeof modesOfUse;

export const exportabilities = {
  E: { meaning: 'Exportable under a trusted key', clause: table6 },
  N: { meaning: 'Not exportable', clause: table6 },
  S: { meaning: 'Sensitive: exportable also in forms outside X9.24', clause: table6 },
} as const satisfies Record<string, { meaning: string; clause: string }>;
export type Exportability = keyof typeof exportabilities;

export const keyContexts = {
  '0': { meaning: 'The wrapping key decides', clause: table1 },
  '1': { meaning: 'Storage only', clause: table1 },
  '2': { meaning: 'Exchange only', clause: table1 },
} as const satisfies Record<string, { meaning: string; clause: string }>;
export type KeyContext = keyof typeof keyContexts;

/** The row of a table, or undefined: a header may hold any character, also one that names a property of objects. */
export function rowOf<T>(table: Readonly<Record<string, T>>, value: string): T | undefined {
  return Object.hasOwn(table, value) ? table[value] : undefined;
}

/**
 * Key length obfuscation: the length in bytes that every key of the algorithm is padded to, the longest that it has;
 * 0 where the algorithm has none or only one. X9.143:2021, 5 and 6.1.
 */
export function obfuscatedKeyBytes(algorithm: string): number {
  if (algorithm === 'T') return 24;
  return algorithm === 'A' ? 32 : 0;
}

/** Bytes of key data that carry a key: two of length in bits, the key, padding up to the cipher's unit. */
export function payloadBytes(version: Version, keyBytes: number): number {
  return Math.ceil((2 + keyBytes) / version.payloadUnitBytes) * version.payloadUnitBytes;
}
