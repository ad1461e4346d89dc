/**
 * What a soft HSM and whoever manages it say to each other: the messages of the management socket, the orders that
 * officers sign, and the HSM's audit log, which anybody can verify. Pure functions; no key enters.
 */
export {
  type AuditEntry,
  type AuditLine,
  type AuditRecord,
  formatRecord,
  hashLine,
  parseRecord,
  signedPart,
} from './audit-record.ts';
export { canonicalJson } from './canonical-json.ts';
export {
  acknowledgedBy,
  type ChainHead,
  continueChain,
  emptyChain,
  headBefore,
  verifyAuditLog,
} from './chain.ts';
export { checkpointBytes, verifyCheckpoint } from './checkpoint.ts';
export { ed25519Hex, ed25519PublicKey } from './ed25519.ts';
export { HsmManagementError, type HsmManagementErrorCode } from './errors.ts';
export { formatMessage, type ManagementMessage, MessageReader } from './messages.ts';
export { longestOrderMs, type Officer, type Order, orderBytes, type SignedOrder } from './orders.ts';
export { shortestPassphraseBytes } from './passphrases.ts';
export type { DrillResult, Progress } from './progress.ts';
