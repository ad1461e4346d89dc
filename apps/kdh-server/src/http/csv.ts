/** RFC 4180, with CRLF. A field that a spreadsheet would take for a formula gets an apostrophe in front. */
export function csvOf(
  header: string[],
  rows: (string | number | bigint | boolean | null | undefined)[][],
): string {
  return [header, ...rows].map((row) => `${row.map(field).join(',')}\r\n`).join('');
}

function field(value: string | number | bigint | boolean | null | undefined): string {
  if (value === null || value === undefined) return '';
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
