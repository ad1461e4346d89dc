/**
 * TR-34 tokens without ciphers and private keys: reading, judging certificates, and what a KDH whose keys live in an
 * HSM puts together. kdh-server and hsm-client import this entry only.
 */

export {
  type CaRebind,
  type CaUnbind,
  type KdhRebind,
  type KdhUnbind,
  makeCaRebindToken,
  makeCaUnbindToken,
  makeRebindToken,
  makeUnbindToken,
} from './binding-tokens.ts';
export {
  type Certificate,
  issuerAndSerialNumber,
  type KeyUsage,
  parseCertificate,
  rsaPublicKey,
} from './certificate.ts';
export type { AcceptedCredential, CredentialToken } from './credential-token.ts';
export {
  acceptKdhCredential,
  acceptKrdCredential,
  buildKdhCredentialToken,
  buildKrdCredentialToken,
  parseCredentialToken,
} from './credential-token.ts';
export { type Crl, type CrlSeen, parseCrl } from './crl.ts';
export { describeToken, type IdentifierText, type TokenDescription, type TokenKind } from './describe.ts';
export { type Deviation, type Dialect, type DialectName, deviations, dialects } from './dialects.ts';
export { Tr34Error, type Tr34ErrorCode } from './errors.ts';
export { assembleKeyToken, type KeyToken, type KeyTokenParts, parseKeyToken } from './key-token.ts';
export { buildRandomToken, parseRandomToken } from './random-token.ts';
export { verifyToken } from './signed-data.ts';
export type { TokenSigner } from './signing.ts';
export {
  checkCertificate,
  purposes,
  type Revocation,
  type Role,
  type RolePolicy,
  type RoleRule,
  rolePolicies,
  type Trust,
  type TrustedCertificate,
} from './trust.ts';
