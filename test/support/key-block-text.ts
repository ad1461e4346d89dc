/**
 * A key block with zeros for key data and MAC: enough for everything that is judged without a key.
 * `optional`: the optional blocks as written; `count` defaults to what a reader of short blocks would count.
 */
export function keyBlockText(parts: {
  versionId?: string;
  /** usage(2) algorithm(1) mode(1) key version(2) exportability(1) */
  attributes?: string;
  count?: number;
  optional?: string;
  contextAndReserved?: string;
  keyDataBytes?: number;
}): string {
  const { versionId = 'D', attributes = 'P0AE00E', optional = '', contextAndReserved = '00' } = parts;
  const { count = countOf(optional), keyDataBytes = versionId < 'D' ? 32 : 48 } = parts;
  const macCharacters = { A: 8, B: 16, C: 8 }[versionId] ?? 32;
  const body = '0'.repeat(2 * keyDataBytes + macCharacters);
  const length = 16 + optional.length + body.length;
  const fixed = `${attributes}${count.toString().padStart(2, '0')}${contextAndReserved}`;
  return `${versionId}${length.toString().padStart(4, '0')}${fixed}${optional}${body}`;
}

function countOf(optional: string): number {
  let count = 0;
  for (let at = 0; at < optional.length; count++) {
    const short = Number.parseInt(optional.slice(at + 2, at + 4), 16);
    const digits = Number.parseInt(optional.slice(at + 4, at + 6), 16);
    at += short || Number.parseInt(optional.slice(at + 6, at + 6 + digits), 16);
  }
  return count;
}
