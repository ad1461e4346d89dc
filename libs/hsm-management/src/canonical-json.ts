/**
 * JSON in canonical form, RFC 8785, for what orders and configurations are made of: text, whole numbers, booleans,
 * arrays and objects. Throws a RangeError for anything else.
 */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'boolean' || Number.isSafeInteger(value))
    return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)); // by UTF-16 code units, 3.2.3
    return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`).join(',')}}`;
  }
  throw new RangeError(
    `canonical JSON: text, whole numbers, booleans, arrays and objects expected, got ${typeof value}`,
  );
}
