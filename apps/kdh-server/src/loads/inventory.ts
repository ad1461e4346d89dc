import type { InventorySlot } from '@openkdh/terminal-protocol';

/** A key that the KDH confirmed and believes a terminal to hold. */
export interface ConfirmedKey {
  slot: string;
  ksn: string | null;
  kcv: string;
}

export interface InventoryDifference {
  slot: string;
  kind: 'MISSING' | 'OTHER_KEY' | 'UNKNOWN_KEY';
}

/**
 * What a terminal holds against what it should: a slot that lacks its key (erased by tamper, a flash rolled back), holds
 * another one, or holds one that no load of ours put there (F27). Check values are compared on three bytes.
 */
export function compareInventory(confirmed: ConfirmedKey[], held: InventorySlot[]): InventoryDifference[] {
  const heldBySlot = new Map(held.map((slot) => [slot.slot, slot]));
  const confirmedSlots = new Set(confirmed.map((key) => key.slot));
  const wrong = confirmed.flatMap((key): InventoryDifference[] => {
    const slot = heldBySlot.get(key.slot);
    if (!slot) return [{ slot: key.slot, kind: 'MISSING' }];
    const same = (slot.ksn ?? null) === key.ksn && slot.kcv.slice(0, 6) === key.kcv.slice(0, 6);
    return same ? [] : [{ slot: key.slot, kind: 'OTHER_KEY' }];
  });
  const unknown = held
    .filter((slot) => !confirmedSlots.has(slot.slot))
    .map((slot): InventoryDifference => ({ slot: slot.slot, kind: 'UNKNOWN_KEY' }));
  return [...wrong, ...unknown];
}
