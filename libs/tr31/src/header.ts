/**
 * The key block header without any cipher: model, reading with every finding, writing, tables and profiles. This is
 * what a process may import that must never see a clear key.
 */
export { describeOptionalBlock, type Field, optionalBlockContent } from './describe.ts';
export { Tr31Error, type Tr31ErrorCode } from './errors.ts';
export type { Finding, FindingCode, Span } from './findings.ts';
export { formatHeader } from './format.ts';
export type { KeyBlockHeader } from './key-block-header.ts';
export type {
  Certificate,
  Derivation,
  OptionalBlockContent,
  OptionalBlockId,
} from './optional-block-kinds.ts';
export type { OptionalBlock } from './optional-blocks.ts';
export { type Inspection, inspectKeyBlock, type ParsedHeader, parseHeader } from './parse.ts';
export { type ProfileName, type ProfileOptions, profiles } from './profiles.ts';
export {
  type Algorithm,
  algorithms,
  type Exportability,
  exportabilities,
  type KeyContext,
  type KeyUsage,
  keyContexts,
  keyUsages,
  type ModeOfUse,
  modesOfUse,
  type VersionId,
  versions,
} from './tables.ts';
