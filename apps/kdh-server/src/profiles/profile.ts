import type { KeyAlgorithm } from '@openkdh/hsm-client';

/** One slot of a key profile: which initial key a kind of terminal must hold there, and how it travels. */
export interface ProfileSlot {
  slot: string;
  bdkId: string;
  algorithm: KeyAlgorithm;
  keyBlockVersion: 'B' | 'D';
}

/** Slot names of the keys that wrap others; no profile slot may bear them. */
export const KBPK_AES = 'KBPK-AES';
export const KBPK_TDES = 'KBPK-TDES';

/** A key as an attempt will deliver it. */
export interface PlannedKey {
  slot: string;
  /** X9.143:2021 6.3.1: B1 initial DUKPT key, K1 key block protection key. */
  usage: 'B1' | 'K1';
  algorithm: KeyAlgorithm;
  versionId: 'B' | 'D';
  bdkId: string | null;
  wrappedUnder: typeof KBPK_AES | typeof KBPK_TDES;
}

/**
 * The keys of one load in the order in which the terminal opens them. Version D is wrapped under the terminal's AES
 * KBPK, version B under its TDES KBPK; a terminal that has no TDES KBPK yet gets one in the same plan, wrapped under
 * the AES KBPK: asymmetric transport is for the first key only (PCI PIN Annex A).
 */
export function planKeys(slots: ProfileSlot[], hasTdesKbpk: boolean): PlannedKey[] {
  const keys: PlannedKey[] = slots.map((slot) => ({
    slot: slot.slot,
    usage: 'B1',
    algorithm: slot.algorithm,
    versionId: slot.keyBlockVersion,
    bdkId: slot.bdkId,
    wrappedUnder: slot.keyBlockVersion === 'D' ? KBPK_AES : KBPK_TDES,
  }));
  const needsTdesKbpk = slots.some((slot) => slot.keyBlockVersion === 'B') && !hasTdesKbpk;
  if (!needsTdesKbpk) return keys;
  return [
    { slot: KBPK_TDES, usage: 'K1', algorithm: 'T3', versionId: 'D', bdkId: null, wrappedUnder: KBPK_AES },
    ...keys,
  ];
}

/** Security strength in bits. NIST SP 800-57 part 1 rev. 5, table 2 (two-key TDES: 80). */
export const strengthBits: Record<KeyAlgorithm, number> = {
  T2: 80,
  T3: 112,
  A128: 128,
  A192: 192,
  A256: 256,
};

/** The wrapping key is never weaker than the wrapped one (PCI PIN 18-3, Annex C). */
export const kbpkAlgorithms: Record<PlannedKey['wrappedUnder'], KeyAlgorithm> = {
  [KBPK_AES]: 'A128',
  [KBPK_TDES]: 'T3',
};

export function isTooStrongFor(key: Pick<PlannedKey, 'algorithm' | 'wrappedUnder'>): boolean {
  return strengthBits[key.algorithm] > strengthBits[kbpkAlgorithms[key.wrappedUnder]];
}
