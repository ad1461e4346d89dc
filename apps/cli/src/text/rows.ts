/** Answers as lines: name, then value. */

/** Columns that line up, each as wide as its widest cell; the last one is left ragged. */
export function columns(table: readonly (readonly string[])[]): string {
  const widths = table.reduce<number[]>(
    (widest, row) => row.map((cell, n) => Math.max(cell.length, widest[n] ?? 0)),
    [],
  );
  return table
    .map(
      (row) =>
        `${row.map((cell, n) => (n === row.length - 1 ? cell : cell.padEnd(widths[n]!))).join('  ')}\n`,
    )
    .join('');
}

/** The members of an answer, a line each; a list, or an object of many members, follows its name, indented. */
export function rows(answer: object, indent = ''): string {
  const members = Object.entries(answer).filter(([, value]) => value !== undefined);
  const width = Math.max(0, ...members.map(([name]) => name.length));
  return members
    .map(([name, value]) => {
      const line = lineOf(value);
      if (line !== undefined) return `${indent}${name.padEnd(width)}  ${line}\n`;
      return `${indent}${name}\n${(value as unknown[]).map((item) => itemText(item, `${indent}  `)).join('')}`;
    })
    .join('');
}

/** A value that fits into a line of its own; undefined for a list that does not. */
function lineOf(value: unknown): string | undefined {
  if (Array.isArray(value)) return value.length === 0 ? 'none' : undefined;
  if (typeof value === 'object' && value !== null) return Object.values(value).join('  ');
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return String(value);
}

const mostInALine = 2;

function itemText(item: unknown, indent: string): string {
  const isLarge = typeof item === 'object' && item !== null && Object.keys(item).length > mostInALine;
  return isLarge ? rows(item, indent) : `${indent}${lineOf(item)}\n`;
}
