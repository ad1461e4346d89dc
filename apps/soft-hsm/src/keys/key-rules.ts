import type { ThalesHeader } from '@openkdh/tr31/thales';
import { Refusal } from '../answer-codes.ts';
import { hmacAlgorithms } from './hmac.ts';

/** What a key block header says of the use of its key. */
export type KeyUse = Pick<ThalesHeader, 'keyUsage' | 'algorithm' | 'modeOfUse' | 'keyVersion'>;

/** What a key block header must say for one kind of use. */
export interface KeyRule {
  /** For the log. */
  role: string;
  usages: readonly string[];
  /** Letters. */
  algorithms: string;
  /** Letters. */
  modes: string;
}

/**
 * Checked at every use, whatever was checked before: A6 usage, A7 algorithm, A8 mode of use, A9 key version. A block
 * of a key component (version c1, c2, …) is no key: only A4 may have it.
 */
export function requireUse(header: KeyUse, { role, usages, algorithms, modes }: KeyRule): void {
  const { keyUsage, algorithm, modeOfUse, keyVersion } = header;
  if (!usages.includes(keyUsage))
    throw new Refusal('A6', `${role}: usage ${keyUsage} is not one of ${usages.join(' ')}`);
  if (!algorithms.includes(algorithm))
    throw new Refusal('A7', `${role}: algorithm ${algorithm} is not one of ${algorithms}`);
  if (!modes.includes(modeOfUse))
    throw new Refusal('A8', `${role}: mode ${modeOfUse} is not one of ${modes}`);
  if (isComponent(keyVersion)) throw new Refusal('A9', `${role}: a key component is not a key`);
}

/** Key version `c1`, `c2`, …: the block holds one component of a key. */
export function isComponent(keyVersion: string): boolean {
  return keyVersion.startsWith('c');
}

/** Optional block of a component, text: the custodian who entered it. */
export const custodianBlock = '05';

/** A BDK, for A0 modes A and B. Its usage may only derive, never encrypt or authenticate. */
export const bdkRule: KeyRule = {
  role: 'BDK',
  usages: ['B0', '41', '42', '43'],
  algorithms: 'AT',
  modes: 'XN',
};

/** Whether a key of this usage derives the keys of terminals. */
export function isBdk(keyUsage: string): boolean {
  return bdkRule.usages.includes(keyUsage);
}

/** A key that encrypts (E) or decrypts (D) data. */
export function dataKeyRule(direction: 'E' | 'D'): KeyRule {
  return { role: 'data key', usages: ['D0', '21', '22', '23'], algorithms: 'AT', modes: `B${direction}N` };
}

/** A key for HMAC; `modes`: letters. */
export function hmacKeyRule(modes: string): KeyRule {
  return { role: 'HMAC key', usages: Object.keys(hmacAlgorithms), algorithms: 'H', modes };
}

/**
 * A key that other keys are exported under. K1, the usage of a KBPK, stands beside K0, 51 (TMK) and 52 (ZMK) although
 * the public sources name only those: a KBPK that went to a terminal by TR-34 has usage K1 and has to wrap its keys.
 */
export const exportKeyRule: KeyRule = {
  role: 'ZMK or TMK',
  usages: ['K0', 'K1', '51', '52'],
  algorithms: 'AT',
  modes: 'BEN',
};

/** A key that other keys are imported under. */
export const importKeyRule: KeyRule = {
  role: 'ZMK',
  usages: ['K0', 'K1', '52'],
  algorithms: 'AT',
  modes: 'BDN',
};

/** A key that B8 sends by TR-34. */
export const tr34KeyRule: KeyRule = {
  role: 'key to export',
  usages: ['K0', 'K1'],
  algorithms: 'AT',
  modes: 'BDEN',
};

/** A private key of a KRD: it opens what TR-34 brings. */
export const decryptingKeyRule: KeyRule = {
  role: 'private key',
  usages: ['03'],
  algorithms: 'R',
  modes: 'DN',
};

/**
 * A private key that a certificate is requested for. PKCS#10 has one proof of possession, a signature, so a key that
 * only decrypts signs its request too, and nothing else.
 */
export function requestingKeyRule(algorithm: 'R' | 'E'): KeyRule {
  return { ...signingKeyRule(algorithm), modes: algorithm === 'R' ? 'SDN' : 'SN' };
}

/** A private key that signs, RSA or EC. */
export function signingKeyRule(algorithm: 'R' | 'E'): KeyRule {
  return { role: 'private key', usages: ['03'], algorithms: algorithm, modes: 'SN' };
}

/** A public key that verifies, RSA or EC. */
export function verifyingKeyRule(algorithm: 'R' | 'E'): KeyRule {
  return { role: 'public key', usages: ['02'], algorithms: algorithm, modes: 'VN' };
}

/** E may leave under a trusted key, S where that is enabled, N never. */
const exportabilityWidth = { E: 2, S: 1, N: 0 } as const;

/** Refuses with AA a key that may not leave the HSM. */
export function requireExportable({ exportability }: Pick<ThalesHeader, 'exportability'>): void {
  if (exportability !== 'E' && exportability !== 'S') throw new Refusal('AA', 'the key is not exportable');
}

/** Refuses with AA a key made wider than the one it comes from: what may not leave stays so in what is derived. */
export function requireNotWider(exportability: string, parent: Pick<ThalesHeader, 'exportability'>): void {
  const width = (value: string) => exportabilityWidth[value as keyof typeof exportabilityWidth] ?? 0;
  if (width(exportability) > width(parent.exportability)) {
    throw new Refusal('AA', `exportability ${exportability} from a key with ${parent.exportability}`);
  }
}

/** Refuses with BB to put a key under a weaker one. PCI PIN requirement 10 and annex C. */
export function requireStrength(wrapping: { strengthBits: number }, wrapped: { strengthBits: number }): void {
  if (wrapping.strengthBits < wrapped.strengthBits) {
    throw new Refusal(
      'BB',
      `a key of ${wrapped.strengthBits} bits under one of ${wrapping.strengthBits} bits`,
    );
  }
}
