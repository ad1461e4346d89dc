/**
 * Derived unique key per transaction, both algorithms and both sides: TDES DUKPT (ANSI X9.24-1:2009 and X9.24-3:2017,
 * annex C) and AES DUKPT (ANSI X9.24-3:2017). The standards were not at hand: clauses are cited as openemv/dukpt cites
 * them, and every rule was checked against the published vectors in `test/vectors`.
 *
 * Host: `derive…` from a BDK or an initial key, `…KeyPath` for the ordered traffic of one terminal.
 * Terminal: `…DukptRegisters`, which forgets each key as it is used.
 * KSNs travel as bytes, 10 (TDES) or 12 (AES); `parse…Ksn` and `format…Ksn` show and set their fields.
 */
export {
  AesKeyPath,
  deriveAesInitialKey,
  deriveAesTransactionKey,
  deriveAesTransactionKeyFromBdk,
  deriveAesUpdateKey,
  deriveAesWorkingKey,
  type WorkingKeyOptions,
} from './aes-derivation.ts';
export { DukptError, type DukptErrorCode } from './errors.ts';
export {
  type AesKsn,
  formatAesKsn,
  formatTdesKsn,
  initialAesKsn,
  initialTdesKsn,
  nextAesKsn,
  nextTdesKsn,
  padTdesKsn,
  parseAesKsn,
  parseTdesKsn,
  type TdesKsn,
} from './ksn.ts';
export {
  type DataCipher,
  decryptData,
  encryptData,
  generateMac,
  type MacMethod,
  verifyMac,
} from './messages.ts';
export { decryptPinBlock, encryptPinBlock, type PinBlockFormat, type RandomSource } from './pin-block.ts';
export {
  AesDukptRegisters,
  DukptRegisters,
  TdesDukptRegisters,
  type TerminalTransaction,
} from './registers.ts';
export { aesGcmSealer, SealedRegisters, type Sealer, type TerminalMemory } from './sealed-registers.ts';
export {
  type AesKeyType,
  type AesKeyUsage,
  aesKeyTypes,
  aesKeyUsages,
  type TdesKeyUsage,
  tdesKeyUsages,
} from './tables.ts';
export {
  deriveTdesInitialKey,
  deriveTdesTransactionKey,
  deriveTdesTransactionKeyFromBdk,
  deriveTdesWorkingKey,
  TdesKeyPath,
} from './tdes-derivation.ts';
