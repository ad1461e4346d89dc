import type { Api } from './api.ts';
import type { Figures } from './loads.ts';

/** One slot of one terminal, as it was confirmed. */
export interface LoadedSlot {
  serial: string;
  slot: string;
  algorithm: string;
  ksn: string;
  kcv: string;
}

/** Where the parts listen, by what they are. */
export type Addresses = Record<string, string>;

/** The part of a transfer record that is read here. */
interface Transfer {
  kind: string;
  keys: { slot: string; algorithm: string; ksn: string | null; kcvReported: string | null }[];
}

/** The initial keys of the first ten terminals by serial number, from the records of their last confirmed loads. */
export async function loadedSlots(api: Api): Promise<LoadedSlot[]> {
  const terminals = await api.get<{ serial: string }[]>('/terminals?limit=500');
  const serials = terminals.map(({ serial }) => serial).sort();
  const slots: LoadedSlot[] = [];
  for (const serial of serials.slice(0, 10)) {
    const page = await api.get<{ transfers: Transfer[] }>(`/transfers?terminal=${serial}&state=CONFIRMED`);
    const keys = page.transfers.find(({ kind }) => kind === 'KEYS')?.keys ?? [];
    for (const { slot, algorithm, ksn, kcvReported } of keys) {
      if (ksn !== null) slots.push({ serial, slot, algorithm, ksn, kcv: kcvReported ?? '' });
    }
  }
  return slots;
}

/** A table of `slots`, and the totals below it. */
export function report(slots: readonly LoadedSlot[], figures: Figures): string {
  const rows = slots.map(({ serial, slot, algorithm, ksn, kcv }) => [serial, slot, algorithm, ksn, kcv]);
  const more = figures.terminals - new Set(slots.map(({ serial }) => serial)).size;
  return [
    ...table(['terminal', 'slot', 'algorithm', 'KSN', 'KCV'], ...rows),
    ...(more > 0 ? [`… and ${more} more`] : []),
    '',
    `${figures.terminals} terminals, ${figures.loads} loads, ${figures.confirmed} confirmed, ` +
      `${figures.seconds} s, ${figures.loadsPerSecond} loads per second`,
  ].join('\n');
}

/** The addresses, one a line, under each other. */
export function addressList(addresses: Addresses): string {
  return table(...Object.entries(addresses)).join('\n');
}

/** Lines with columns as wide as their widest cell. */
function table(...rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}
