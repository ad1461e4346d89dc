import type { OptionalBlock } from '@openkdh/tr31/header';

/**
 * The contract of every HSM behind the KDH, whatever it is: the soft HSM and a payShield through `payshield/`, AWS
 * Payment Cryptography through `aws/`, a PKCS#11 token through `pkcs11/`.
 *
 * **Keys.** A key never leaves in clear. Callers hold what the HSM gave them (`LmkKeyBlock`, `LmkPrivateKey`), store
 * it, hand it back, and read nothing out of it. Under a trusted wrapping key a key leaves only as a TR-31 block or
 * a TR-34 token.
 *
 * **Durability.** Behind payShield commands the HSM stores no working key: a key exists where its block is stored.
 * AWS and a token keep their keys, and what the caller stores is a reference. Either way a key whose answer was lost
 * never did any work; where the HSM keeps it, it stays behind unused.
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

  /**
   * A new RSA key pair. May take seconds. Not repeatable. Use `tr34` has a capability of its own, `generate-tr34-key-pair`.
   */
  generateRsaKeyPair(request: GenerateRsaKeyPairRequest): Promise<KeyPair>;

  /** A new P-256 key pair that signs. Not repeatable. */
  generateEcKeyPair(): Promise<KeyPair>;

  /**
   * RSASSA-PKCS1-v1_5 or ECDSA (DER) signature over `data`, hashed in the HSM; above 9999 bytes with RSA only, and hashed
   * here. Repeatable.
   */
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

  /**
   * `data` encrypted under a data key (usage D0), nothing padded or left out. Repeatable.
   * HSM_BAD_REQUEST unless they are 1 to 4096 bytes; HSM_REFUSED where they are not whole cipher blocks.
   */
  encrypt(request: CipherRequest): Promise<Uint8Array>;

  /** The reverse of `encrypt`. Repeatable. */
  decrypt(request: CipherRequest): Promise<Uint8Array>;

  /** The first `macBytes` of the MAC of `data`, 1 to 4096 bytes. Repeatable. */
  generateMac(request: GenerateMacRequest): Promise<Uint8Array>;

  /** Whether `mac` is the MAC of `data`. Compared in the HSM. Repeatable. */
  verifyMac(request: VerifyMacRequest): Promise<boolean>;

  /** Whether the signature verifies, by the HSM's own judgement. Repeatable. */
  verifySignature(request: VerifySignatureRequest): Promise<boolean>;

  /** A PKCS#10 certificate request, DER, signed with SHA-256 by the key pair itself. Repeatable. */
  requestCertificate(request: CertificateRequest): Promise<Uint8Array>;

  /** What a monitor wants to know of the HSM that answers now. Repeatable. */
  status(): Promise<HsmStatus>;

  /**
   * Records of the HSM's own audit log from sequence number `fromSeq` on, as many as fit one answer; none at the end.
   * Each is a line as the HSM wrote it, without its line feed: its hash is over these bytes. Repeatable.
   */
  auditRecords(fromSeq: number): Promise<string[]>;

  /**
   * The caller has stored all records up to `upToSeq`. An HSM with a limit refuses to work when too many are not
   * acknowledged. Repeatable.
   */
  acknowledgeAuditRecords(upToSeq: number): Promise<void>;

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
  'generate-tr34-key-pair',
  'generate-ec-key-pair',
  'sign',
  'export-tr34',
  'encrypt',
  'decrypt',
  'generate-mac',
  'verify-mac',
  'verify-signature',
  'request-certificate',
  'status',
  'operation-count',
  'audit-log',
] as const;
export type HsmCapability = (typeof hsmCapabilities)[number];

/** A key under the HSM's own master key, as the HSM's text: on payShield `S` and a Thales key block. */
export type LmkKeyBlock = string & { readonly __brand?: 'LmkKeyBlock' };

/** A private key under the HSM's own master key: on payShield the bytes of EI's or FY's answer, `S` tag included. */
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
  /** `signature`: for `sign`. `tr34`: the KDH's, for `exportTr34`. An HSM may have one and lack the other. */
  use: 'signature' | 'tr34' | 'key-management';
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
  /** X.509, DER. An HSM that knows the authorities of KRDs judges it too, and refuses whom it does not believe. */
  krdCertificate: Uint8Array;
  /** CRLs of the KRD's CAs, DER, at most 9, for an HSM that judges the KRD. Left out: none. */
  krdCrls?: readonly Uint8Array[];
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

export interface CipherRequest {
  key: LmkKeyBlock;
  data: Uint8Array;
  /** CBC with this IV: 8 bytes under a TDES key, 16 under an AES key. Left out: ECB. */
  iv?: Uint8Array;
}

/** `data` of encrypt, decrypt and the MACs: what one call of the narrowest HSM takes. */
export const MAX_DATA_BYTES = 4096;

export interface GenerateMacRequest {
  /** Usage M3 for retail MAC, M6 for CMAC. */
  key: LmkKeyBlock;
  /** ISO 9797-1 algorithm 3 with padding method 1, under TDES; CMAC of NIST SP 800-38B, under AES. */
  algorithm: 'retail-mac' | 'cmac';
  data: Uint8Array;
  macBytes: 4 | 8;
}

export interface VerifyMacRequest extends Omit<GenerateMacRequest, 'macBytes'> {
  /** 4 or 8 bytes. */
  mac: Uint8Array;
}

export interface VerifySignatureRequest {
  /** SubjectPublicKeyInfo, DER: RSA of 2048 to 4096 bits, or P-256. */
  publicKey: Uint8Array;
  /** Up to 9999 bytes. */
  data: Uint8Array;
  hash: 'sha256';
  /** RSASSA-PKCS1-v1_5, or ECDSA as DER. */
  signature: Uint8Array;
}

export interface CertificateRequest extends KeyPair {
  /** Printable ASCII without `;`; of each at most 64 characters. */
  subject: {
    commonName: string;
    organisationalUnit?: string;
    organisation?: string;
    locality?: string;
    state?: string;
    /** Two letters. */
    country?: string;
  };
}

export interface HsmStatus {
  serialNumber: string;
  tamper: 'none' | 'unknown' | HsmTamper;
  /** Master keys that are loaded. */
  masterKeys: readonly HsmMasterKey[];
  /** The HSM has seen more failed attempts than its limits allow. */
  fraudDetected: boolean;
}

export interface HsmTamper {
  /** As the HSM names it: on payShield two digits, such as 03 for the erase button. */
  cause: string;
  /** By the HSM's clock, which tells no time zone: `YYMMDDhhmmss`. */
  at: string;
}

export interface HsmMasterKey {
  /** Two digits. */
  id: string;
  status: 'live' | 'test';
  /** How many sensitive activities officers have authorised on it. */
  authorisedActivities: number;
  comment: string;
}
