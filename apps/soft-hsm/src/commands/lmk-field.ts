import type { FieldReader } from '../wire/fields.ts';

/** `%` and two digits, the LMK of the command; `undefined` for the default LMK. A one-digit id is refused with 15. */
export function readLmkId(fields: FieldReader): string | undefined {
  return fields.takes('%') ? String(fields.number(2, 'LMK id')).padStart(2, '0') : undefined;
}
