import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import {
  AesDukptRegisters,
  deriveAesTransactionKey,
  deriveTdesTransactionKey,
  TdesDukptRegisters,
} from '@openkdh/dukpt';
import { kbpkSlots, type PlanEntry } from '@openkdh/terminal-protocol';
import type { KeyBlockHeader } from '@openkdh/tr31';
import { eraseSlot, openKeyBlock } from './key-block.ts';
import type { InitialKeySlot, KbpkSlot, Slot } from './record.ts';
import { aesInitialKey, planEntry, profileKeys, type TestKey, tdesInitialKey } from './testing/kdh.ts';

const kbpk = (key: Uint8Array, algorithm: KbpkSlot['algorithm']): KbpkSlot => ({
  usage: 'K1',
  algorithm,
  key,
  kcv: '000000',
  loadedAt: '2026-01-01T00:00:00Z',
  attempt: '',
});
const aesKbpk = randomBytes(16);
const tdesKbpk = randomBytes(24);
const held: Record<string, Slot> = {
  [kbpkSlots.AES]: kbpk(aesKbpk, 'A128'),
  [kbpkSlots.TDES]: kbpk(tdesKbpk, 'T3'),
};
const pin = aesInitialKey('PIN', aesKbpk, 1);
const data = tdesInitialKey('DATA', tdesKbpk, 1);
const [nextKbpk] = profileKeys(aesKbpk, 1) as [TestKey];

const withHeader = (key: TestKey, header: Partial<KeyBlockHeader>): TestKey => ({
  ...key,
  header: { ...key.header, ...header },
});

describe('a good block', () => {
  test('AES initial key: the registers give the first transaction key of X9.24-3:2017', () => {
    const opened = openKeyBlock(planEntry(pin), held) as InitialKeySlot;
    expect(opened).toMatchObject({ usage: 'B1', algorithm: 'A128', ksn: pin.ksn });
    expect(Buffer.from(opened.keyDigest)).toEqual(createHash('sha256').update(pin.key).digest());
    const { ksn, key } = AesDukptRegisters.fromState(opened.registers).next();
    expect(Buffer.from(key)).toEqual(Buffer.from(deriveAesTransactionKey(pin.key, ksn)));
  });

  test('TDES initial key: the registers give the first transaction key of X9.24-1:2009', () => {
    const opened = openKeyBlock(planEntry(data), held) as InitialKeySlot;
    expect(opened).toMatchObject({ usage: 'B1', algorithm: 'T2', ksn: data.ksn });
    const { ksn, key } = TdesDukptRegisters.fromState(opened.registers).next();
    expect(Buffer.from(key)).toEqual(Buffer.from(deriveTdesTransactionKey(data.key, ksn)));
  });

  test('what is kept of an initial key is not the key', () => {
    const { registers } = openKeyBlock(planEntry(pin), held) as InitialKeySlot;
    expect(Buffer.from(registers).includes(Buffer.from(pin.key))).toBe(false);
  });

  test('one KBPK opens many blocks, and none once it is erased', () => {
    const own = { [kbpkSlots.AES]: kbpk(Uint8Array.from(aesKbpk), 'A128') };
    for (const device of [1, 2]) openKeyBlock(planEntry(aesInitialKey('PIN', aesKbpk, device)), own);
    const slot = own[kbpkSlots.AES]!;
    eraseSlot(slot);
    expect(slot.key).toEqual(new Uint8Array(16));
    expect(() => openKeyBlock(planEntry(pin), own)).toThrow(
      expect.objectContaining({ name: 'ProtocolError' }),
    );
  });

  test('TDES KBPK under the AES KBPK', () => {
    const opened = openKeyBlock(planEntry(nextKbpk), held);
    expect(opened).toMatchObject({ usage: 'K1', algorithm: 'T3', key: Uint8Array.from(nextKbpk.key) });
  });
});

describe('refusals', () => {
  const refused = (entry: PlanEntry, slots = held) => {
    try {
      openKeyBlock(entry, slots);
    } catch (error) {
      return (error as { code: string }).code;
    }
    return 'accepted';
  };

  test('every character of the block, changed', () => {
    const entry = planEntry(pin);
    for (let at = 0; at < entry.tr31.length; at++) {
      const other = entry.tr31[at] === '0' ? '1' : '0';
      const tr31 = entry.tr31.slice(0, at) + other + entry.tr31.slice(at + 1);
      expect(['BAD_KEYBLOCK_MAC', 'KEYBLOCK_ATTR']).toContain(refused({ ...entry, tr31 }));
    }
  });

  test('the block of another terminal', () => {
    expect(refused(planEntry({ ...pin, wrappedUnder: randomBytes(16) }))).toBe('BAD_KEYBLOCK_MAC');
    expect(refused(planEntry({ ...data, wrappedUnder: randomBytes(24) }))).toBe('BAD_KEYBLOCK_MAC');
  });

  test('no KBPK for the version', () => {
    expect(refused(planEntry(pin), {})).toBe('BAD_KEYBLOCK_MAC');
    expect(refused(planEntry(data), { [kbpkSlots.AES]: held[kbpkSlots.AES]! })).toBe('BAD_KEYBLOCK_MAC');
  });

  test('a key that is stronger than its KBPK', () => {
    expect(refused({ ...planEntry(pin), algorithm: 'A256' })).toBe('KEK_WEAKER');
    expect(refused({ ...planEntry(data), algorithm: 'A128' })).toBe('KEK_WEAKER');
  });

  test('another check value', () => {
    expect(refused({ ...planEntry(pin), kcv: 'ABCDEF' })).toBe('KCV_MISMATCH');
    expect(refused({ ...planEntry(data), kcv: 'ABCDEF' })).toBe('KCV_MISMATCH');
    expect(refused({ ...planEntry(data), kcv: `${planEntry(data).kcv}00` })).toBe('KCV_MISMATCH'); // PCI PIN 15-1
  });

  test.each<[string, PlanEntry]>([
    [
      'another version',
      planEntry(withHeader({ ...data, wrappedUnder: tdesKbpk.subarray(0, 16) }, { versionId: 'C' })),
    ],
    ['an exportable initial key', planEntry(withHeader(pin, { exportability: 'E' }))],
    ['another usage', planEntry(withHeader(pin, { keyUsage: 'P0', modeOfUse: 'E', optionalBlocks: [] }))],
    ['a KBPK that may not unwrap', planEntry(withHeader(nextKbpk, { modeOfUse: 'E' }))],
    ['a KBPK in a slot for an initial key', { ...planEntry(nextKbpk), slot: 'PIN', ksn: pin.ksn }],
    ['an initial key in the slot of a KBPK', { ...planEntry(data), slot: kbpkSlots.TDES }],
    ['a KBPK with a KSN', { ...planEntry(nextKbpk), ksn: data.ksn }],
    ['a TDES KBPK in the slot of the AES KBPK', { ...planEntry(nextKbpk), slot: kbpkSlots.AES }],
    ['an initial key without a KSN', { ...planEntry(pin), ksn: undefined }],
    ['another KSN than the block names', { ...planEntry(pin), ksn: aesInitialKey('PIN', aesKbpk, 2).ksn }],
    [
      'another TDES KSN than the block names',
      { ...planEntry(data), ksn: tdesInitialKey('DATA', tdesKbpk, 2).ksn },
    ],
    ['a KSN whose counter is not zero', { ...planEntry(pin), ksn: `${pin.ksn!.slice(0, -1)}1` }],
    ['a block that names no KSN', planEntry(withHeader(pin, { optionalBlocks: [] }))],
    ['another algorithm', { ...planEntry(pin), algorithm: 'T2', ksn: data.ksn }],
  ])('%s', (_name, entry) => {
    expect(refused(entry)).toBe('KEYBLOCK_ATTR');
  });
});
