import type { OptionalBlock } from '@openkdh/tr31/header';

/**
 * The contract of every HSM behind the KDH, whatever it is: the soft HSM and a payShield through `payshield/`,
 * cloud services through adapters beside it.
 *
 * **Keys.** A key never leaves in clear. Callers hold what the HSM gave them (`LmkKeyBlock`, `LmkPrivateKey`), store
 * it, hand it back, and read nothing out of it. Under a trusted wrapping key a key leaves only as a TR-31 block or
 * a TR-34 token.
 *
 * **Durability.** The HSM stores no working key: a key exists where its block is stored. A key whose block was lost
 * with an answer never did any work and needs no clean-up.
 *
 * **Outcome.** A call either did its work or threw `HsmError`. `mayHaveExecuted` on the error says whether the HSM
 * may have done the work although no answer was read.
 *
 * **Retry.** Calls marked "repeatable" give the same result, or one as good, however often they run; an adapter
 * tries them again by itself when a connection breaks and their deadline allows. No other call is ever tried again
 * by an adapter: whether a second key, or a second export, is acceptable is the caller's decision.
 *
 * **Concurrency.** Calls may overlap without limit and may finish in any order. An adapter holds back what the HSM
 * cannot take yet; that waiting is part of the call's time.
 *
 * **Time.** Each call has one deadline, waiting and retries included. After it the call throws `HSM_TIMEOUT` if the
 * request had left, `HSM_UNREACHABLE` if it had not. A late answer is discarded.
 *
 * **What a back end cannot do** is absent from `capabilities` and throws `HSM_UNSUPPORTED`. It is never replaced by
 * cryptography in this process.
 */
export interface Hsm {
  /** For people: kind of HSM and where it is. Never a secret. */
  readonly name: string;
  readonly capabilities: ReadonlySet<HsmCapability>;

  /** Identity of the HSM that answers now. Repeatable. */
  diagnostics(): Promise<HsmDiagnostics>;

  /** `lengthBytes` random bytes from the HSM, 1 to 256. Repeatable. */
  random(lengthBytes: number): Promise<Uint8Array>;

  /** A new random key. Not repeatable: each call makes another key. */
  generateKey(request: GenerateKeyRequest): Promise<WrappedKey>;

  /**
   * A key from 2 to 9 components that the HSM holds as blocks (key ceremony). Usage, mode and exportability are
   * those of the components. Not repeatable.
   */
  formKeyFromComponents(components: readonly LmkKeyBlock[]): Promise<WrappedKey>;

  /** The key's check value, 6 hex digits: TDES encryption, or AES-CMAC, of zeros. Repeatable. */
  checkValue(key: LmkKeyBlock): Promise<string>;

  /**
   * Derives the initial key of `bdk` for `initialKsn` and returns it as TR-31 under `kbpk`.
   * Repeatable: the same BDK and KSN give the same key in a new block.
   */
  exportInitialKey(request: ExportInitialKeyRequest): Promise<ExportedKey>;

  /** `key` as TR-31 under `kbpk`. Not repeatable: each run is an export of its own in the HSM's log. */
  exportKey(request: ExportKeyRequest): Promise<ExportedKey>;

  /** A TR-31 block under `kbpk` becomes a key of this HSM, with the attributes of its header. Not repeatable. */
  importKey(request: ImportKeyRequest): Promise<WrappedKey>;

  /** A new RSA key pair. May take seconds. Not repeatable. */
  generateRsaKeyPair(request: GenerateRsaKeyPairRequest): Promise<KeyPair>;

  /** A new P-256 key pair that signs. Not repeatable. */
  generateEcKeyPair(): Promise<KeyPair>;

  /** RSASSA-PKCS1-v1_5 or ECDSA (DER) signature over `data`, up to 9999 bytes, hashed in the HSM. Repeatable. */
  sign(request: SignRequest): Promise<Uint8Array>;

  /**
   * TR-34 two-pass key token KT_KDH that carries `key` to one KRD: the complete CMS, DER, with the CRL.
   * The caller has checked the KRD's certificate. Not repeatable: each run is an export of its own.
   */
  exportTr34(request: ExportTr34Request): Promise<Tr34Token>;

  /**
   * How many operations that release a key this HSM has performed since it was set up; it never goes down.
   * `undefined` where the HSM has no such counter. Repeatable.
   */
  operationCount(): Promise<bigint | undefined>;

  /** Ends all connections; calls under way throw `HSM_CLOSED`. Idempotent. */
  close(): Promise<void>;
}

/** The methods of `Hsm` that a back end may lack. */
export const hsmCapabilities = [
  'random',
  'generate-key',
  'form-key-from-components',
  'check-value',
  'export-initial-key',
  'export-key',
  'import-key',
  'generate-rsa-key-pair',
  'generate-ec-key-pair',
  'sign',
  'export-tr34',
  'operation-count',
] as const;
export type HsmCapability = (typeof hsmCapabilities)[number];

/** A key under the HSM's own master key, as the HSM's text: on payShield `S` and a Thales key block. */
export type LmkKeyBlock = string & { readonly __brand?: 'LmkKeyBlock' };

/** An RSA private key under the HSM's own master key: on payShield the bytes of EI's answer, `S` tag included. */
export type LmkPrivateKey = Uint8Array;

/** Two- and three-key TDES; AES with 128, 192 and 256 bits. */
export type KeyAlgorithm = 'T2' | 'T3' | 'A128' | 'A192' | 'A256';

/** ANSI X9.143:2021, 6.3.5: exportable under a trusted key, never exportable, sensitive. */
export type Exportability = 'E' | 'N' | 'S';

export interface HsmDiagnostics {
  /** 6 hex digits of the master key's check value; `undefined` where the master key is the provider's. */
  lmkCheckValue: string | undefined;
  firmware: string;
}

export interface WrappedKey {
  keyBlock: LmkKeyBlock;
  /** 6 hex digits, upper case. */
  kcv: string;
}

export interface ExportedKey {
  /** TR-31 key block, from its version letter on. */
  keyBlock: string;
  /** 6 hex digits, upper case. */
  kcv: string;
}

export interface GenerateKeyRequest {
  /** Two characters: X9.143:2021, table 2, or the HSM's own. */
  usage: string;
  algorithm: KeyAlgorithm;
  /** One character: X9.143:2021, table 4. */
  modeOfUse: string;
  exportability: Exportability;
  optionalBlocks?: readonly OptionalBlock[];
}

export interface ExportInitialKeyRequest {
  bdk: LmkKeyBlock;
  scheme: 'AES' | 'TDES';
  /** AES: the initial key id, 8 bytes. TDES: the KSN with its 21 counter bits zero, 10 bytes. */
  initialKsn: Uint8Array;
  kbpk: LmkKeyBlock;
  /** TR-31 version: B under a TDES KBPK, D under an AES KBPK. */
  versionId: 'B' | 'D';
  /** Of the initial key. */
  algorithm: KeyAlgorithm;
  optionalBlocks: readonly OptionalBlock[];
  exportability: Exportability;
}

export interface ExportKeyRequest {
  key: LmkKeyBlock;
  kbpk: LmkKeyBlock;
  versionId: 'B' | 'D';
}

export interface ImportKeyRequest {
  /** TR-31 key block, from its version letter on. */
  keyBlock: string;
  kbpk: LmkKeyBlock;
}

export interface GenerateRsaKeyPairRequest {
  bits: 2048 | 3072 | 4096;
  use: 'signature' | 'key-management';
}

export interface KeyPair {
  /** SubjectPublicKeyInfo, DER. */
  publicKey: Uint8Array;
  privateKey: LmkPrivateKey;
}

export interface SignRequest {
  privateKey: LmkPrivateKey;
  data: Uint8Array;
  hash: 'sha256';
  /** Of the private key. Left out: RSA. */
  algorithm?: 'RSA' | 'EC';
}

export interface ExportTr34Request {
  /** Key block protection key or key encryption key. */
  key: LmkKeyBlock;
  kdhPrivateKey: LmkPrivateKey;
  /** X.509, DER: the certificate of `kdhPrivateKey`. */
  kdhCertificate: Uint8Array;
  /** X.509, DER. */
  krdCertificate: Uint8Array;
  /** The nonce of the KRD's random token RT_KRD, 8 to 16 bytes. */
  nonce: Uint8Array;
  /** CRL of the KDH's CA, DER. */
  crl: Uint8Array;
  /** Version letter in the key block header inside the token. */
  versionId: 'B' | 'D';
}

export interface Tr34Token {
  /** KT_KDH, DER. */
  token: Uint8Array;
  /** Of the key inside, 6 hex digits, upper case. */
  kcv: string;
}
