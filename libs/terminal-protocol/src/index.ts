export type { Bind, BindChallenge, BindRequest, RandomToken } from './binding.ts';
export { type ProtocolCodeRow, type ProtocolErrorCode, protocolCodeName, protocolCodes } from './codes.ts';
export type { Envelope, ErrorMessage, Hello, Kick, Welcome } from './connection.ts';
export { ProtocolError } from './errors.ts';
export { endpointPath, protocolLimits, subprotocol } from './limits.ts';
export {
  type Inventory,
  type InventorySlot,
  kbpkSlots,
  type LoadAck,
  type LoadKbpk,
  type LoadKeys,
  type LoadResult,
  type PlanEntry,
  type Query,
  type SlotResult,
} from './loading.ts';
export { newMessageId } from './message-id.ts';
export {
  type Incoming,
  type KdhMessage,
  kdhMessages,
  type Outgoing,
  type Role,
  type TerminalMessage,
  terminalMessages,
} from './messages.ts';
export type { Phase } from './phases.ts';
export { openSession, type Received, Session } from './session.ts';
export { inventoryDigest, loadResultSignedBytes, planHash, tokenHash } from './signed-bytes.ts';
