import type { FieldReader } from '../wire/fields.ts';

/** number of CRLs[1N], then each in DER. */
export function readCrls(fields: FieldReader): Buffer[] {
  return Array.from({ length: fields.number(1, 'number of CRLs') }, () => fields.der('CRL'));
}
