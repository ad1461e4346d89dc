/**
 * TR-34: keys from a KDH to a KRD. Everything in `tokens.ts`, and what touches clear keys: making key tokens, opening
 * tokens. For HSMs, terminals and tools; a KDH server imports `@openkdh/tr34/tokens` instead.
 */
export type { Random } from './envelope.ts';
export type { ContentCipher } from './enveloped-data.ts';
export type { KeyAttributes } from './header.ts';
export {
  exportKey,
  type Freshness,
  type KeyOrder,
  type KeyTransport,
  makeKeyToken,
  type SealedKey,
} from './kdh.ts';
export {
  type BoundKrd,
  type ExpectedFreshness,
  type KeyDecryptor,
  type Opened,
  type OpenedKey,
  type OpenedRebind,
  type OutstandingNonces,
  openCaRebindToken,
  openCaUnbindToken,
  openKeyToken,
  openRebindToken,
  openUnbindToken,
} from './krd.ts';
export { localDecryptor, localSigner } from './local-keys.ts';
export * from './tokens.ts';
