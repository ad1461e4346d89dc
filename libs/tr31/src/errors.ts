import type { Finding, FindingCode } from './findings.ts';

export type Tr31ErrorCode =
  | FindingCode
  | 'TR31_UNWRAP_FAILED'
  | 'TR31_KBPK_LENGTH'
  | 'TR31_KEY_LENGTH'
  | 'TR31_PADDING_LENGTH'
  | 'TR31_BLOCK_TOO_LONG'
  | 'TR31_DISPOSED'
  | 'TR31_ARGUMENT'
  | 'THALES_FORMAT'
  | 'THALES_OPTIONAL_BLOCK'
  | 'THALES_OPTIONAL_BLOCK_REPEATED';

/**
 * The only error of this package. A refused header or key carries every finding that the profile did not let pass, and
 * the code of the first; TR31_UNWRAP_FAILED is the one answer to everything that depends on the protection key.
 */
export class Tr31Error extends Error {
  override readonly name = 'Tr31Error';
  readonly code: Tr31ErrorCode;
  readonly findings: readonly Finding[];

  constructor(code: Tr31ErrorCode, message: string, findings: readonly Finding[] = []) {
    super(message);
    this.code = code;
    this.findings = findings;
  }
}

/** Refuses text in place of bytes: hex digits, as many as a key has bytes, would pass for another key. */
export function requireBytes(value: Uint8Array, what: string): void {
  if (value instanceof Uint8Array) return;
  throw new Tr31Error('TR31_ARGUMENT', `${what} is a Uint8Array, got ${typeof value}`);
}
