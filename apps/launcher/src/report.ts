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

const mostTerminals = 10;

/** The table of what the terminals hold, the first ten of them, and the totals below it. */
export function report(slots: readonly LoadedSlot[], figures: Figures): string {
  const serials = [...new Set(slots.map(({ serial }) => serial))].sort();
  const shown = new Set(serials.slice(0, mostTerminals));
  const rows = slots
    .filter(({ serial }) => shown.has(serial))
    .map(({ serial, slot, algorithm, ksn, kcv }) => [serial, slot, algorithm, ksn, kcv])
    .sort(([serialA, slotA], [serialB, slotB]) => (serialA! + slotA! < serialB! + slotB! ? -1 : 1));
  const more = figures.terminals - shown.size;
  return [
    ...table(['terminal', 'slot', 'algorithm', 'KSN', 'KCV'], rows),
    ...(more > 0 ? [`… and ${more} more`] : []),
    '',
    `${figures.terminals} terminals, ${figures.loads} loads, ${figures.confirmed} confirmed, ` +
      `${figures.seconds} s, ${figures.loadsPerSecond} loads per second`,
  ].join('\n');
}

/** The addresses, one a line, under each other. */
export function addressList(addresses: Addresses): string {
  return table(undefined, Object.entries(addresses)).join('\n');
}

/** Lines with columns as wide as their widest cell. */
function table(head: readonly string[] | undefined, rows: readonly (readonly string[])[]): string[] {
  const all = head ? [head, ...rows] : rows;
  const widths = (all[0] ?? []).map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}
