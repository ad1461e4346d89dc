import { crossesWarning, type DukptScheme, initialKsn } from './ksn.ts';

/** What the allocator must know of a BDK; its row is locked. */
export interface AllocatableBdk {
  id: string;
  scheme: DukptScheme;
  /** In hex: what its KSNs begin with. */
  bdkId: string;
  state: 'ACTIVE' | 'FROZEN' | 'DESTROYED';
  /** The device number that its next KSN will carry. */
  nextDevice: bigint;
  /** The highest that it may carry. */
  maxDevices: bigint;
  /** The model of terminal that the BDK is set apart for; null: any. */
  model: string | null;
}

/** An attempt that needs KSNs: one of each BDK of `bdkIds`, in this order; a BDK may stand there twice. */
export interface AllocationRequest {
  model: string;
  bdkIds: string[];
}

export type AllocationRefusal = 'BDK_FROZEN' | 'BDK_SEGMENT' | 'KSN_SPACE_EXHAUSTED';

/** A KSN for each BDK that was asked for, or why there is none of any. */
export type Allocation = { ksns: string[] } | { refusal: AllocationRefusal };

export interface Allocations {
  /** One for each request, in order. */
  allocations: Allocation[];
  /** BDKs that gave KSNs, as they stand now. */
  used: AllocatableBdk[];
  /** Those of them whose space has just become short. */
  runningShort: AllocatableBdk[];
}

/**
 * Gives each attempt a KSN of every BDK that it needs, or none at all: device numbers that no attempt tells of would be
 * a gap in the ledger (docs/audit-log.md, rule 4). The numbers of a BDK follow each other in the order of the requests.
 */
export function allocate(
  bdks: readonly AllocatableBdk[],
  requests: readonly AllocationRequest[],
): Allocations {
  const now = new Map(bdks.map((bdk) => [bdk.id, { ...bdk }]));
  const allocations = requests.map(({ model, bdkIds }): Allocation => {
    const wanted = bdkIds.map((id) => now.get(id));
    for (const bdk of wanted) {
      if (bdk?.state !== 'ACTIVE') return { refusal: 'BDK_FROZEN' };
      if (bdk.model !== null && bdk.model !== model) return { refusal: 'BDK_SEGMENT' };
      const count = wanted.filter((other) => other === bdk).length;
      if (bdk.nextDevice + BigInt(count) - 1n > bdk.maxDevices) return { refusal: 'KSN_SPACE_EXHAUSTED' };
    }
    return { ksns: (wanted as AllocatableBdk[]).map(takeKsn) };
  });
  const used = bdks.filter((bdk) => now.get(bdk.id)!.nextDevice > bdk.nextDevice);
  return {
    allocations,
    used: used.map(({ id }) => now.get(id)!),
    runningShort: used
      .map((bdk) => ({ before: bdk.nextDevice, bdk: now.get(bdk.id)! }))
      .filter(({ before, bdk }) => crossesWarning(before, bdk.nextDevice, bdk.maxDevices))
      .map(({ bdk }) => bdk),
  };
}

function takeKsn(bdk: AllocatableBdk): string {
  const ksn = initialKsn(bdk.scheme, bdk.bdkId, bdk.nextDevice);
  bdk.nextDevice += 1n;
  return ksn;
}
