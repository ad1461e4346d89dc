import { createHash } from 'node:crypto';
import { wipe } from '@openkdh/block-ciphers';
import { AesDukptRegisters, initialAesKsn, initialTdesKsn, TdesDukptRegisters } from '@openkdh/dukpt';
import { kbpkSlots, type PlanEntry, ProtocolError } from '@openkdh/terminal-protocol';
import { type KbpkHandle, kbpk, Tr31Error, type Unwrapped } from '@openkdh/tr31';
import { checkValue, keyAlgorithmOf, keyAlgorithms } from './key-algorithm.ts';
import type { InitialKeySlot, KbpkSlot, Slot } from './record.ts';

/** A key from a TR-31 block, ready to be kept. */
export type OpenedKey =
  | Pick<KbpkSlot, 'usage' | 'algorithm' | 'kcv' | 'key'>
  | Pick<InitialKeySlot, 'usage' | 'algorithm' | 'kcv' | 'ksn' | 'registers' | 'keyDigest'>;

/**
 * Opens the key block of a slot under the KBPK of its version. In this order: the wrapping key is not weaker, the MAC
 * holds, the header fits the slot, the key is the announced one. Of an initial key only its future keys are kept.
 * @throws ProtocolError KEK_WEAKER, BAD_KEYBLOCK_MAC, KEYBLOCK_ATTR, KCV_MISMATCH
 */
export function openKeyBlock(entry: PlanEntry, held: Readonly<Record<string, Slot>>): OpenedKey {
  const { algorithm, ksn } = entry;
  const wrapping = wrappingKey(entry.tr31, held);
  if (keyAlgorithms[wrapping.algorithm].strengthBits < keyAlgorithms[algorithm].strengthBits) {
    throw new ProtocolError('KEK_WEAKER', `${algorithm} came under ${wrapping.algorithm}`);
  }
  const block = unwrapped(wrapping, entry.tr31);
  const { key } = block;
  try {
    refuseMisfit(entry, block);
    const kcv = checkValue(algorithm, key, entry.kcv);
    if (kcv !== entry.kcv) throw new ProtocolError('KCV_MISMATCH', 'the key is not the announced one');
    if (ksn === undefined) return { usage: 'K1', algorithm, kcv, key: Uint8Array.from(key) };
    const keyDigest = createHash('sha256').update(key).digest();
    return { usage: 'B1', algorithm, kcv, ksn, registers: futureKeys(ksn, key), keyDigest };
  } finally {
    wipe(key);
  }
}

/** Fills the key of a slot with zeros, and what was derived from it. */
export function eraseSlot(slot: Slot): void {
  if (slot.usage === 'B1') return wipe(slot.registers);
  wipe(slot.key);
  handles.get(slot)?.dispose();
}

/** What unwrapping derives from a KBPK costs more than to unwrap: it is kept from the first block on. */
const handles = new WeakMap<KbpkSlot, KbpkHandle>();

function handleOf(slot: KbpkSlot): KbpkHandle {
  const handle = handles.get(slot) ?? kbpk(slot.key);
  handles.set(slot, handle);
  return handle;
}

/** Version D is wrapped under the AES KBPK, version B under the TDES KBPK (X9.143:2021, 7.1). */
function wrappingKey(tr31: string, held: Readonly<Record<string, Slot>>): KbpkSlot {
  const slots: Readonly<Record<string, string>> = { B: kbpkSlots.TDES, D: kbpkSlots.AES };
  const slot = slots[tr31.charAt(0)];
  if (slot === undefined) throw new ProtocolError('KEYBLOCK_ATTR', 'key block version B or D expected');
  const key = held[slot];
  if (key?.usage !== 'K1') throw new ProtocolError('BAD_KEYBLOCK_MAC', `no key in ${slot}`);
  return key;
}

function unwrapped(slot: KbpkSlot, tr31: string): Unwrapped {
  try {
    return handleOf(slot).unwrap(tr31);
  } catch (error) {
    if (!(error instanceof Tr31Error)) throw error;
    const code = error.code === 'TR31_UNWRAP_FAILED' ? 'BAD_KEYBLOCK_MAC' : 'KEYBLOCK_ATTR';
    throw new ProtocolError(code, error.code);
  }
}

/** What a key block may be, by the slot that it is for. ANSI X9.143:2021, 6.3. */
const kbpkPolicy = { keyUsage: 'K1', modesOfUse: ['B', 'D'], exportabilities: ['E', 'N', 'S'] };
const initialKeyPolicy = { keyUsage: 'B1', modesOfUse: ['X'], exportabilities: ['N'] };

function refuseMisfit({ slot, algorithm, ksn }: PlanEntry, { header, key }: Unwrapped): void {
  const isKbpk = Object.values<string>(kbpkSlots).includes(slot);
  const policy = isKbpk ? kbpkPolicy : initialKeyPolicy;
  const fits =
    header.keyUsage === policy.keyUsage &&
    policy.modesOfUse.includes(header.modeOfUse) &&
    policy.exportabilities.includes(header.exportability) &&
    keyAlgorithmOf(header.algorithm, key.length) === algorithm &&
    (isKbpk
      ? ksn === undefined && kbpkFits(slot, algorithm)
      : ksn !== undefined && ksnFits(ksn, algorithm, header));
  if (!fits) throw new ProtocolError('KEYBLOCK_ATTR', `the key block does not fit the slot ${slot}`);
}

/** A KBPK of two-key TDES would be weaker than any key worth sending. */
function kbpkFits(slot: string, algorithm: PlanEntry['algorithm']): boolean {
  return slot === kbpkSlots.AES ? keyAlgorithms[algorithm].header === 'A' : algorithm === 'T3';
}

/**
 * The initial KSN is bound to the key by the block's own MAC: in optional block KS for TDES, in IK for AES, there
 * without the counter (X9.143:2021, 6.3.6). Its counter is zero. TDES DUKPT knows initial keys of 16 bytes only.
 */
function ksnFits(
  ksn: string,
  algorithm: PlanEntry['algorithm'],
  { optionalBlocks }: Unwrapped['header'],
): boolean {
  const says = (id: string, data: string) =>
    optionalBlocks.some((block) => block.id === id && block.data === data);
  const bytes = Buffer.from(ksn, 'hex');
  if (keyAlgorithms[algorithm].header === 'A') {
    return bytes.length === 12 && bytes.equals(initialAesKsn(bytes)) && says('IK', ksn.slice(0, 16));
  }
  return algorithm === 'T2' && bytes.length === 10 && bytes.equals(initialTdesKsn(bytes)) && says('KS', ksn);
}

/** The state of the terminal's DUKPT registers before the first transaction. The caller wipes the initial key. */
function futureKeys(ksn: string, initialKey: Uint8Array): Uint8Array {
  const bytes = Buffer.from(ksn, 'hex');
  const load = bytes.length === 10 ? TdesDukptRegisters.load : AesDukptRegisters.load;
  const registers = load(initialKey, bytes);
  try {
    return registers.toState();
  } finally {
    registers.wipe();
  }
}
