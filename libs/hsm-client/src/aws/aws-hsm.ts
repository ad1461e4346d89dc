import { X509Certificate } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { GenerateRandomCommand, KMSClient } from '@aws-sdk/client-kms';
import {
  CreateKeyCommand,
  ExportKeyCommand,
  type ExportKeyInput,
  type ExportTr34KeyBlock,
  GetKeyCommand,
  GetPublicKeyCertificateCommand,
  ImportKeyCommand,
  type Key,
  type KeyAttributes,
  ListKeysCommand,
  PaymentCryptographyClient,
  type PaymentCryptographyClientConfig,
} from '@aws-sdk/client-payment-cryptography';
import { HsmError } from '../errors.ts';
import type {
  CertificateRequest,
  CipherRequest,
  ExportedKey,
  ExportInitialKeyRequest,
  ExportKeyRequest,
  ExportTr34Request,
  GenerateKeyRequest,
  GenerateMacRequest,
  GenerateRsaKeyPairRequest,
  HsmCapability,
  HsmDiagnostics,
  ImportKeyRequest,
  KeyAlgorithm,
  KeyPair,
  LmkKeyBlock,
  Tr34Token,
  VerifyMacRequest,
  WrappedKey,
} from '../hsm.ts';
import { requireInitialKeyHeader } from '../initial-key-block.ts';
import { initialKsnHex } from '../initial-ksn.ts';
import { requireData, requireMacLength, requireSubject } from '../request-checks.ts';
import { UnsupportedHsm } from '../unsupported-hsm.ts';
import {
  awsAlgorithms,
  awsExportabilities,
  awsKeyUsage,
  awsModesOfUse,
  checkValueAlgorithm,
} from './attributes.ts';
import { call } from './call.ts';
import { withCrl } from './key-token.ts';
import { type SignedPost, signedPost } from './signed-post.ts';

export interface AwsOptions {
  region: string;
  /**
   * ARN or alias of the CA of the KRDs, imported as trusted under its root: the service checks the KRD's certificate
   * against it. Left out: no TR-34 export.
   */
  krdCertificateAuthority?: string;
  /** Deadline of a call. Default 10000. */
  timeoutMs?: number;
  /** Left out: the chain of the SDK (environment, profile, role of the machine). */
  credentials?: PaymentCryptographyClientConfig['credentials'];
  /** Of all services, instead of the region's: a stand-in for tests. */
  endpoint?: string;
}

/** Pause between two looks at a key that is being made. */
const CREATION_POLL_MS = 200;

/**
 * The adapter for AWS Payment Cryptography; random numbers come from KMS. Nothing here was ever run against an AWS
 * account.
 *
 * Where the contract says key block or private key this adapter gives the ARN of the key, in text or as its bytes: the
 * service keeps the keys itself. Its log is CloudTrail; errors name the request id. It forms no keys from components
 * and signs nothing but TR-34 tokens and certificate requests.
 */
export class AwsHsm extends UnsupportedHsm {
  readonly name: string;
  readonly capabilities: ReadonlySet<HsmCapability>;
  readonly #options: AwsOptions;
  readonly #client: PaymentCryptographyClient;
  readonly #kms: KMSClient;
  readonly #post: SignedPost;
  readonly #closing = new AbortController();
  /** Of BDKs, by ARN; it never changes. */
  readonly #algorithms = new Map<LmkKeyBlock, string>();

  constructor(options: AwsOptions) {
    super();
    // `call` tries again by itself: the SDK does not know which calls are repeatable.
    const { region, credentials, endpoint } = options;
    const config = { region, credentials, endpoint, maxAttempts: 1 };
    this.#options = options;
    setMaxListeners(0, this.#closing.signal); // one for each call under way
    this.#client = new PaymentCryptographyClient(config);
    this.#kms = new KMSClient(config);
    this.#post = signedPost(this.#client, { region, endpoint });
    this.name = `AWS Payment Cryptography in ${region}`;
    this.capabilities = new Set<HsmCapability>([
      'random',
      'generate-key',
      'check-value',
      'export-initial-key',
      'export-key',
      'import-key',
      'generate-tr34-key-pair',
      'request-certificate',
      'encrypt',
      'decrypt',
      'generate-mac',
      'verify-mac',
      ...(options.krdCertificateAuthority === undefined ? [] : (['export-tr34'] as const)),
    ]);
  }

  /** The master key is the service's and has no check value. */
  override async diagnostics(): Promise<HsmDiagnostics> {
    await this.#call('ListKeys', true, (abortSignal) =>
      this.#client.send(new ListKeysCommand({ MaxResults: 1 }), { abortSignal }),
    );
    return { lmkCheckValue: undefined, firmware: this.name };
  }

  override async random(lengthBytes: number): Promise<Uint8Array> {
    if (!Number.isInteger(lengthBytes) || lengthBytes < 1 || lengthBytes > 256) {
      throw new HsmError('HSM_BAD_REQUEST', `random: expected 1 to 256 bytes, got ${lengthBytes}`);
    }
    const { Plaintext } = await this.#call('GenerateRandom', true, (abortSignal) =>
      this.#kms.send(new GenerateRandomCommand({ NumberOfBytes: lengthBytes }), { abortSignal }),
    );
    if (Plaintext?.length !== lengthBytes) throw badAnswer('GenerateRandom', `${lengthBytes} bytes`);
    return Plaintext;
  }

  override async generateKey(request: GenerateKeyRequest): Promise<WrappedKey> {
    const { usage, algorithm, modeOfUse, exportability, optionalBlocks = [] } = request;
    if (optionalBlocks.length > 0) throw this.unsupported('optional blocks of a key that it keeps');
    const key = await this.#createKey(
      {
        KeyUsage: awsKeyUsage(usage),
        KeyClass: 'SYMMETRIC_KEY',
        KeyAlgorithm: awsAlgorithms[algorithm],
        KeyModesOfUse: awsModesOfUse(usage, modeOfUse),
      },
      exportability !== 'N',
      checkValueAlgorithm(algorithm),
    );
    return wrappedKey('CreateKey', key);
  }

  override async checkValue(key: LmkKeyBlock): Promise<string> {
    return wrappedKey('GetKey', await this.#getKey(key)).kcv;
  }

  override async exportInitialKey(request: ExportInitialKeyRequest): Promise<ExportedKey> {
    const { bdk, kbpk, algorithm, exportability, optionalBlocks } = request;
    const KeySerialNumber = keySerialNumber(request);
    await this.#requireAlgorithm(bdk, algorithm);
    const exported = await this.#exportKey(true, {
      ExportKeyIdentifier: bdk,
      ExportAttributes: {
        ExportDukptInitialKey: { KeySerialNumber },
        KeyCheckValueAlgorithm: checkValueAlgorithm(algorithm),
      },
      KeyMaterial: {
        Tr31KeyBlock: {
          WrappingKeyIdentifier: kbpk,
          KeyBlockHeaders: {
            KeyModesOfUse: { DeriveKey: true },
            KeyExportability: awsExportabilities[exportability],
            KeyVersion: '00',
            OptionalBlocks: Object.fromEntries(optionalBlocks.map(({ id, data }) => [id, data])),
          },
        },
      },
    });
    // Which usage the service writes was not seen; another than B1 would be refused by the terminal.
    requireInitialKeyHeader(exported.keyBlock, request);
    return exported;
  }

  override async exportKey({ key, kbpk, versionId }: ExportKeyRequest): Promise<ExportedKey> {
    const exported = await this.#exportKey(false, {
      ExportKeyIdentifier: key,
      KeyMaterial: { Tr31KeyBlock: { WrappingKeyIdentifier: kbpk } },
    });
    // The version follows from the KBPK: it cannot be asked for.
    if (!exported.keyBlock.startsWith(versionId))
      throw badAnswer('ExportKey', `a key block of version ${versionId}`);
    return exported;
  }

  override async importKey({ keyBlock, kbpk }: ImportKeyRequest): Promise<WrappedKey> {
    const { Key: key } = await this.#call('ImportKey', false, (abortSignal) =>
      this.#client.send(
        new ImportKeyCommand({
          KeyMaterial: { Tr31KeyBlock: { WrappingKeyIdentifier: kbpk, WrappedKeyBlock: keyBlock } },
        }),
        { abortSignal },
      ),
    );
    return wrappedKey('ImportKey', key);
  }

  /** A pair that signs TR-34 tokens, certified by the KDH's own CA: the service has no other signature for a KDH. */
  override async generateRsaKeyPair({ bits, use }: GenerateRsaKeyPairRequest): Promise<KeyPair> {
    if (use !== 'tr34') throw this.unsupported('RSA key pairs but for TR-34 tokens');
    const key = await this.#createKey(
      {
        KeyUsage: 'TR31_S0_ASYMMETRIC_KEY_FOR_DIGITAL_SIGNATURE',
        KeyClass: 'ASYMMETRIC_KEY_PAIR',
        KeyAlgorithm: `RSA_${bits}`,
        KeyModesOfUse: { Sign: true },
      },
      false,
    );
    const arn = key.KeyArn!;
    const { KeyCertificate } = await this.#call('GetPublicKeyCertificate', true, (abortSignal) =>
      this.#client.send(new GetPublicKeyCertificateCommand({ KeyIdentifier: arn }), { abortSignal }),
    );
    return { publicKey: publicKeyOf(KeyCertificate), privateKey: Uint8Array.from(Buffer.from(arn)) };
  }

  /**
   * The KDH's certificate goes along as that of the signing key. The version letter of the key block header is the
   * service's choice.
   */
  override async exportTr34(request: ExportTr34Request): Promise<Tr34Token> {
    const { krdCertificateAuthority } = this.#options;
    if (krdCertificateAuthority === undefined)
      throw this.unsupported('TR-34 export, unless the CA of the KRDs is configured');
    const { key, kdhPrivateKey, kdhCertificate, krdCertificate, nonce, crl } = request;
    // SigningKeyIdentifier and SigningKeyCertificate, in place of an export token, are newer than the types of the SDK,
    // which sends what it is given.
    const tr34KeyBlock = {
      CertificateAuthorityPublicKeyIdentifier: krdCertificateAuthority,
      WrappingKeyCertificate: pemInBase64(krdCertificate),
      SigningKeyIdentifier: Buffer.from(kdhPrivateKey).toString(),
      SigningKeyCertificate: pemInBase64(kdhCertificate),
      KeyBlockFormat: 'X9_TR34_2012',
      RandomNonce: toHex(nonce),
    };
    const { keyBlock, kcv } = await this.#exportKey(false, {
      ExportKeyIdentifier: key,
      KeyMaterial: { Tr34KeyBlock: tr34KeyBlock as unknown as ExportTr34KeyBlock },
    });
    return { token: withCrl(Uint8Array.from(Buffer.from(keyBlock, 'hex')), crl), kcv };
  }

  override encrypt(request: CipherRequest): Promise<Uint8Array> {
    return this.#cipher('encrypt', request);
  }

  override decrypt(request: CipherRequest): Promise<Uint8Array> {
    return this.#cipher('decrypt', request);
  }

  override async generateMac({ macBytes, ...request }: GenerateMacRequest): Promise<Uint8Array> {
    const { Mac } = await this.#dataPlane('GenerateMac', '/mac/generate', {
      ...macFields(request, macBytes),
      GenerationAttributes: { Algorithm: macAlgorithms[request.algorithm] },
    });
    return fromHex('GenerateMac', Mac, macBytes);
  }

  override async verifyMac({ mac, ...request }: VerifyMacRequest): Promise<boolean> {
    const verified = this.#dataPlane('VerifyMac', '/mac/verify', {
      ...macFields(request, mac.length),
      Mac: toHex(mac),
      VerificationAttributes: { Algorithm: macAlgorithms[request.algorithm] },
    });
    return verified.then(
      () => true,
      (error: HsmError) => {
        if (error.answer === 'VerificationFailedException') return false;
        throw error;
      },
    );
  }

  override async requestCertificate({ privateKey, subject }: CertificateRequest): Promise<Uint8Array> {
    requireSubject(subject);
    const operation = 'GetCertificateSigningRequest'; // newer than the types of the SDK
    const body = {
      KeyIdentifier: Buffer.from(privateKey).toString(),
      SigningAlgorithm: 'SHA256',
      CertificateSubject: {
        CommonName: subject.commonName,
        OrganizationUnit: subject.organisationalUnit,
        Organization: subject.organisation,
        City: subject.locality,
        StateOrProvince: subject.state,
        Country: subject.country,
      },
    };
    const target = `PaymentCryptographyControlPlane.${operation}`;
    const { CertificateSigningRequest: request } = await this.#call(operation, true, (signal) =>
      this.#post({ plane: 'controlplane', path: '/', target }, body, signal),
    );
    // Base64 of PEM, as the service writes its certificates.
    const pem = Buffer.from(String(request), 'base64').toString();
    const base64 = /^-----BEGIN CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]+)-----END/.exec(pem)?.[1];
    if (base64 === undefined) throw badAnswer(operation, 'a certificate request in PEM');
    return Uint8Array.from(Buffer.from(base64, 'base64'));
  }

  override async close(): Promise<void> {
    this.#closing.abort();
    this.#client.destroy();
    this.#kms.destroy();
  }

  #call<Result>(
    operation: string,
    repeatable: boolean,
    send: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    const { timeoutMs = 10_000 } = this.#options;
    return call(operation, send, { repeatable, timeoutMs, closing: this.#closing.signal });
  }

  async #exportKey(repeatable: boolean, input: ExportKeyInput): Promise<ExportedKey> {
    const { WrappedKey: wrapped } = await this.#call('ExportKey', repeatable, (abortSignal) =>
      this.#client.send(new ExportKeyCommand(input), { abortSignal }),
    );
    return { keyBlock: wrapped?.KeyMaterial ?? '', kcv: sixDigits('ExportKey', wrapped?.KeyCheckValue) };
  }

  async #cipher(operation: 'encrypt' | 'decrypt', { key, data, iv }: CipherRequest): Promise<Uint8Array> {
    requireData(data);
    const attributes = {
      Symmetric: iv === undefined ? { Mode: 'ECB' } : { Mode: 'CBC', InitializationVector: toHex(iv) },
    };
    const path = `/keys/${encodeURIComponent(key)}/${operation}`;
    if (operation === 'encrypt') {
      const body = { PlainText: toHex(data), EncryptionAttributes: attributes };
      const { CipherText } = await this.#dataPlane('EncryptData', path, body);
      return fromHex('EncryptData', CipherText, data.length);
    }
    const body = { CipherText: toHex(data), DecryptionAttributes: attributes };
    const { PlainText } = await this.#dataPlane('DecryptData', path, body);
    return fromHex('DecryptData', PlainText, data.length);
  }

  /** Every call of the data plane is repeatable. */
  #dataPlane(operation: string, path: string, body: object): Promise<Record<string, unknown>> {
    return this.#call(operation, true, (signal) => this.#post({ plane: 'dataplane', path }, body, signal));
  }

  /** The service derives a key as long as the BDK, whatever the caller expects. */
  async #requireAlgorithm(bdk: LmkKeyBlock, algorithm: KeyAlgorithm): Promise<void> {
    const known = this.#algorithms.get(bdk) ?? (await this.#getKey(bdk))?.KeyAttributes?.KeyAlgorithm;
    if (known === undefined) throw badAnswer('GetKey', 'a key with its algorithm');
    this.#algorithms.set(bdk, known);
    if (known !== awsAlgorithms[algorithm]) {
      throw new HsmError('HSM_BAD_REQUEST', `initial key: expected the algorithm of the BDK, ${known}`);
    }
  }

  /** Creates a key and waits until it can be used. */
  async #createKey(
    attributes: KeyAttributes,
    exportable: boolean,
    kcvAlgorithm?: 'CMAC' | 'ANSI_X9_24',
  ): Promise<Key> {
    let { Key: key } = await this.#call('CreateKey', false, (abortSignal) =>
      this.#client.send(
        new CreateKeyCommand({
          KeyAttributes: attributes,
          Exportable: exportable,
          KeyCheckValueAlgorithm: kcvAlgorithm,
        }),
        { abortSignal },
      ),
    );
    while (key?.KeyState === 'CREATE_IN_PROGRESS') {
      await new Promise((resolve) => setTimeout(resolve, CREATION_POLL_MS));
      key = await this.#getKey(key.KeyArn!);
    }
    if (key?.KeyState !== 'CREATE_COMPLETE' || key.KeyArn === undefined)
      throw badAnswer('CreateKey', 'a key in use');
    return key;
  }

  async #getKey(arn: string): Promise<Key | undefined> {
    const { Key: key } = await this.#call('GetKey', true, (abortSignal) =>
      this.#client.send(new GetKeyCommand({ KeyIdentifier: arn }), { abortSignal }),
    );
    return key;
  }
}

/** The whole KSN with counter zero: 20 hex digits for TDES, 24 for AES. */
function keySerialNumber({ scheme, initialKsn }: ExportInitialKeyRequest): string {
  const ksn = initialKsnHex(scheme, initialKsn);
  return scheme === 'AES' ? `${ksn}00000000` : ksn;
}

function wrappedKey(operation: string, key: Key | undefined): WrappedKey {
  if (key?.KeyArn === undefined) throw badAnswer(operation, 'a key with its ARN');
  return { keyBlock: key.KeyArn, kcv: sixDigits(operation, key.KeyCheckValue) };
}

function sixDigits(operation: string, kcv: string | undefined): string {
  const digits = kcv?.slice(0, 6).toUpperCase();
  if (digits === undefined || !/^[0-9A-F]{6}$/.test(digits))
    throw badAnswer(operation, 'a check value of 6 hex digits');
  return digits;
}

/** MAC algorithms by the service's names; its padding is method 1. */
const macAlgorithms = { 'retail-mac': 'ISO9797_ALGORITHM3', cmac: 'CMAC' } as const;

/** MacLength counts bytes, by its range of 4 to 16; not tried. */
function macFields({ key, data }: Omit<GenerateMacRequest, 'macBytes'>, macBytes: number): object {
  requireData(data);
  requireMacLength(macBytes);
  return { KeyIdentifier: key, MessageData: toHex(data), MacLength: macBytes };
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').toUpperCase();
}

function fromHex(operation: string, text: unknown, lengthBytes: number): Uint8Array {
  if (typeof text !== 'string' || text.length !== 2 * lengthBytes || !/^[0-9A-F]*$/i.test(text))
    throw badAnswer(operation, `${lengthBytes} bytes in hex`);
  return Uint8Array.from(Buffer.from(text, 'hex'));
}

/** A certificate of the key that the service signed itself, base64 of PEM. */
function publicKeyOf(certificate: string | undefined): Uint8Array {
  try {
    const { publicKey } = new X509Certificate(Buffer.from(certificate ?? '', 'base64'));
    return Uint8Array.from(publicKey.export({ format: 'der', type: 'spki' }));
  } catch {
    throw badAnswer('GetPublicKeyCertificate', 'a certificate');
  }
}

function pemInBase64(certificate: Uint8Array): string {
  return Buffer.from(new X509Certificate(certificate).toString()).toString('base64');
}

function badAnswer(operation: string, expected: string): HsmError {
  return new HsmError('HSM_BAD_ANSWER', `${operation}: expected ${expected} from AWS`, {
    mayHaveExecuted: true,
  });
}
