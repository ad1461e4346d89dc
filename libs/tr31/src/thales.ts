/**
 * Thales key blocks (scheme S), versions 0 and 1: what payShield HSMs keep keys in under their LMK. Everything here
 * comes from public code and recordings, recomputed from the public test LMKs; nothing was run against a payShield.
 * Blocks are given and taken without the tag S, which is outside the block and not authenticated.
 */
export { Tr31Error, type Tr31ErrorCode } from './errors.ts';
export type { OptionalBlock } from './optional-blocks.ts';
export {
  formatThalesHeader,
  type ParsedThalesHeader,
  parseThalesHeader,
  type ThalesHeader,
} from './thales/header.ts';
export { type ThalesKeyUsageRow, thalesCombinationProblem, thalesKeyUsages } from './thales/key-usages.ts';
export {
  type LmkHandle,
  lmkCheckValue,
  lmkHandle,
  type ThalesUnwrapped,
  type ThalesWrapOptions,
} from './thales/lmk.ts';
