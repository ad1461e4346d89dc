/**
 * An append-only history that an outsider can verify: a Merkle tree (RFC 9162, 2.1) whose head is signed as a C2SP
 * checkpoint, cosigned by witnesses, and kept as C2SP tiles. Pure functions over bytes: nothing here reads a file, a
 * clock or a database, and no private key enters; signing goes through a `NoteSigner`.
 *
 * Log: `canonicalJson` makes an entry, `leafHash` and `CompactRange` the tree head, `growTiles` the tiles,
 * `signCheckpoint` the checkpoint. Witness: `answerAddCheckpoint` judges what a log asks,
 * `cosignCheckpoint` cosigns.
 * Auditor: `verifyReceipt` for one entry, `HistoryVerifier` for all of them.
 * Sizes, indices and times are bigint, since they reach 2^63 − 1.
 */
export { type AddCheckpoint, formatAddCheckpoint, parseAddCheckpoint } from './add-checkpoint.ts';
export { canonicalJson, type JsonValue, parseCanonicalJson } from './canonical-json.ts';
export {
  addSignatures,
  type Checkpoint,
  type CheckpointTrust,
  cosignCheckpoint,
  formatCheckpoint,
  type OpenedCheckpoint,
  openCheckpoint,
  parseCheckpoint,
  signCheckpoint,
  verifyGrowth,
} from './checkpoint.ts';
export {
  type CommittedName,
  commitmentOf,
  formatCommittedNames,
  openCommittedNames,
} from './committed-name.ts';
export { CompactRange } from './compact-range.ts';
export { type Consistency, consistencyProof, verifyConsistency } from './consistency.ts';
export { DenseCounters } from './dense-counters.ts';
export { formatEntryBundle, maxEntryBytes, parseEntryBundle } from './entry-bundle.ts';
export { TransparencyLogError, type TransparencyLogErrorCode, transparencyLogErrors } from './errors.ts';
export { maxSize } from './fields.ts';
export { type EntryRule, type HistoryOptions, HistoryVerifier } from './history-verifier.ts';
export { type Inclusion, inclusionProof, verifyInclusion } from './inclusion.ts';
export { emptyRoot, hashBytes, leafHash, nodeHash } from './merkle-hash.ts';
export { formatReceipt, parseReceipt, type Receipt, verifyReceipt } from './receipt.ts';
export {
  formatNote,
  formatSignatureLine,
  type NoteSignature,
  type NoteSigner,
  openNote,
  parseNote,
  parseSignatureLines,
  type SignedNote,
  signText,
  type VerifiedSignature,
} from './signed-note.ts';
export type { Subtree, SubtreeHash } from './subtrees.ts';
export { growTiles, hashesOfTile, type ReadTile, subtreeHashFromTiles } from './tile-hashes.ts';
export {
  consistencyTiles,
  inclusionTiles,
  parseTilePath,
  rootTiles,
  type Tile,
  tilePath,
  tilesOfGrowth,
  tileWidth,
} from './tiles.ts';
export {
  formatVerifierKey,
  parseVerifierKey,
  type SignatureType,
  signatureTypes,
  type VerifierKey,
  verifierKey,
} from './verifier-key.ts';
export {
  answerAddCheckpoint,
  type SignedCheckpoint,
  type WitnessAnswer,
  type WitnessedLog,
} from './witness.ts';
