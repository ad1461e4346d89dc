export type CsvValue = string | number | bigint | boolean | null | undefined;

/** How records become lines of a CSV. */
export interface Columns<Row> {
  names: string[];
  /** The lines of one record, one or more, each as long as `names`. */
  rowsOf: (row: Row) => CsvValue[][];
}

/** RFC 4180, with CRLF. A field that a spreadsheet would take for a formula gets an apostrophe in front. */
export function csvOf(rows: CsvValue[][]): string {
  return rows.map((row) => `${row.map(field).join(',')}\r\n`).join('');
}

function field(value: CsvValue): string {
  if (value === null || value === undefined) return '';
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
