import { SoftHsmError } from '../errors.ts';

type Line = Readonly<Record<string, unknown>>;

/** Throws SOFT_HSM_USAGE, as do the others, if the parameter is not of this kind. */
export function textOf(line: Line, name: string): string {
  const value = line[name];
  if (typeof value !== 'string') throw new SoftHsmError('SOFT_HSM_USAGE', `${name}: text expected`);
  return value;
}

export function textsOf(line: Line, name: string): string[] {
  const value = line[name];
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  throw new SoftHsmError('SOFT_HSM_USAGE', `${name}: an array of texts expected`);
}

/** A whole number that is not negative. */
export function numberOf(line: Line, name: string): number {
  const value = line[name];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new SoftHsmError('SOFT_HSM_USAGE', `${name}: a whole number expected`);
}
