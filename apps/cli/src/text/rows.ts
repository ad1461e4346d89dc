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

/** The members of an answer, a line each; a list follows its name, indented, an empty line between items of several lines. */
export function rows(answer: object, indent = ''): string {
  const members = Object.entries(answer).filter(([, value]) => value !== undefined);
  const width = Math.max(0, ...members.map(([name]) => name.length));
  return members
    .map(([name, value]) => {
      const line = lineOf(value);
      if (line !== undefined) return `${indent}${name.padEnd(width)}  ${line}\n`;
      return `${indent}${name}\n${itemsText(value as unknown[], `${indent}  `)}`;
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

function itemsText(items: readonly unknown[], indent: string): string {
  const texts = items.map((item) => (isLarge(item) ? rows(item, indent) : `${indent}${lineOf(item)}\n`));
  return texts.join(items.some(isLarge) ? '\n' : '');
}

function isLarge(item: unknown): item is object {
  return typeof item === 'object' && item !== null && Object.keys(item).length > mostInALine;
}
