/**
 * A stand-in for AWS Payment Cryptography and for KMS's GenerateRandom: their wire format and their refusals around
 * real cryptography. What it does is known from the SDK's types, the API reference and recorded SDK requests; it was
 * never compared with the service.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { kcvAes, kcvTdes } from '@openkdh/block-ciphers';
import { deriveAesInitialKey, deriveTdesInitialKey } from '@openkdh/dukpt';
import { createTlsKey, issueCertificate, issueRoot, localSigner } from '@openkdh/pki';
import { type KeyBlockHeader, type OptionalBlock, unwrap, wrap } from '@openkdh/tr31';
import { assembleKeyToken, exportKey, issuerAndSerialNumber, rsaPublicKey } from '@openkdh/tr34';
import { certificationRequest } from '../../apps/soft-hsm/src/asymmetric/certification-request.ts';
import { dataPlaneCall } from './fake-aws-data-plane.ts';
import { sigv4Of } from './sigv4.ts';

/** Something that happens to the next request instead of its answer, or after it was carried out. */
export type Mishap =
  | { exception: string; status: number; executed?: boolean }
  | { hangUp: true; executed?: boolean }
  | { silence: true }
  /** An answer with status 200 that is none. */
  | { garbage: string };

export type Json = Record<string, unknown>;

export interface StoredKey {
  arn: string;
  attributes: {
    KeyUsage: string;
    KeyClass: string;
    KeyAlgorithm: string;
    KeyModesOfUse: Record<string, boolean>;
  };
  exportable: boolean;
  /** Symmetric. */
  key?: Uint8Array;
  pair?: KeyObject;
  /** Of a trusted CA. */
  certificate?: X509Certificate;
}

/** An exception of the service. */
export class Refused extends Error {
  readonly type: string;
  constructor(type: string, message: string) {
    super(message);
    this.type = type;
  }
}

const algorithms: Record<string, { letter: 'A' | 'T'; bytes: number; strengthBits: number }> = {
  TDES_2KEY: { letter: 'T', bytes: 16, strengthBits: 80 },
  TDES_3KEY: { letter: 'T', bytes: 24, strengthBits: 112 },
  AES_128: { letter: 'A', bytes: 16, strengthBits: 128 },
  AES_192: { letter: 'A', bytes: 24, strengthBits: 192 },
  AES_256: { letter: 'A', bytes: 32, strengthBits: 256 },
};

const tooMany: Mishap = { exception: 'ThrottlingException', status: 400 };

const exportabilities: Record<string, string> = { EXPORTABLE: 'E', NON_EXPORTABLE: 'N', SENSITIVE: 'S' };

export class FakeAws {
  readonly operations: string[] = [];
  readonly mishaps: Mishap[] = [];
  /** Above this it throttles. */
  requestsPerSecond = Number.POSITIVE_INFINITY;
  throttled = 0;
  #second = 0;
  #inThisSecond = 0;
  readonly #keys = new Map<string, StoredKey>();
  /** ARNs. */
  readonly #aliases = new Map<string, string>();
  #server: Server | undefined;

  /** Returns its address. */
  async listen(): Promise<string> {
    this.#server = createServer((request, response) => void this.#serve(request, response));
    await new Promise<void>((resolve) => this.#server!.listen(0, '127.0.0.1', resolve));
    const { port } = this.#server.address() as { port: number };
    return `http://127.0.0.1:${port}`;
  }

  async close(): Promise<void> {
    this.#server!.closeAllConnections();
    await new Promise((resolve) => this.#server!.close(resolve));
  }

  /** As ImportKey with a TrustedCertificatePublicKey, and CreateAlias; returns the ARN. `certificate`: DER. */
  trust(certificate: Uint8Array, alias?: string): string {
    const { arn } = this.#store({
      attributes: {
        KeyUsage: 'TR31_S0_ASYMMETRIC_KEY_FOR_DIGITAL_SIGNATURE',
        KeyClass: 'PUBLIC_KEY',
        KeyAlgorithm: 'ECC_NIST_P256',
        KeyModesOfUse: { Verify: true },
      },
      exportable: false,
      certificate: new X509Certificate(certificate),
    });
    if (alias !== undefined) this.#aliases.set(alias, arn);
    return arn;
  }

  /** A symmetric key that it keeps, in clear. */
  keyOf(arn: string): Uint8Array {
    return this.#find(arn).key!;
  }

  #tooMany(): boolean {
    const second = Math.floor(Date.now() / 1000);
    if (second !== this.#second) [this.#second, this.#inThisSecond] = [second, 0];
    this.#inThisSecond += 1;
    if (this.#inThisSecond <= this.requestsPerSecond) return false;
    this.throttled += 1;
    return true;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const call = callOf(request);
    this.operations.push(call.operation);
    const answer = (status: number, body: Json, headers: Record<string, string> = {}): void => {
      response.writeHead(status, {
        'content-type': call.contentType,
        'x-amzn-requestid': 'fake-request',
        ...headers,
      });
      response.end(JSON.stringify(body));
    };
    /** REST names the exception in a header, JSON RPC in the body. */
    const refuse = (status: number, exception: string, Message: string): void => {
      if (call.isRest) answer(status, { Message }, { 'x-amzn-errortype': `${exception}:http://internal/` });
      else answer(status, { __type: `com.amazonaws.paymentcryptography#${exception}`, Message });
    };
    try {
      const body = Buffer.concat(chunks);
      requireSignature(request, call, body);
      const mishap = this.#tooMany() ? tooMany : this.mishaps.shift();
      const carryOut = async (): Promise<Json> => {
        const input = JSON.parse(body.toString()) as Json;
        if (call.isRest) return dataPlaneCall(call, input, (identifier) => this.#find(identifier));
        return this.#execute(call.operation, input);
      };
      if (mishap === undefined) return answer(200, await carryOut());
      if ('silence' in mishap) return;
      if ('garbage' in mishap) return void response.end(mishap.garbage);
      if (mishap.executed) await carryOut();
      if ('hangUp' in mishap) return void request.socket.destroy();
      refuse(mishap.status, mishap.exception, 'as told');
    } catch (error) {
      refuse(400, error instanceof Refused ? error.type : 'ValidationException', (error as Error).message);
    }
  }

  async #execute(operation: string, input: Json): Promise<Json> {
    switch (operation) {
      case 'GenerateRandom':
        return { Plaintext: randomBytes(Number(input['NumberOfBytes'])).toString('base64') };
      case 'ListKeys':
        return { Keys: [] };
      case 'CreateKey':
        return { Key: describe(this.#create(input)) };
      case 'GetKey':
        return { Key: describe(this.#find(input['KeyIdentifier'])) };
      case 'GetPublicKeyCertificate':
        return certificateOf(this.#find(input['KeyIdentifier']));
      case 'GetCertificateSigningRequest':
        return { CertificateSigningRequest: certificateRequestOf(input, this.#find(input['KeyIdentifier'])) };
      case 'ImportKey':
        return { Key: describe(this.#import(input)) };
      case 'ExportKey':
        return { WrappedKey: this.#export(input) };
      default:
        throw new Refused('UnknownOperationException', operation);
    }
  }

  #create(input: Json): StoredKey {
    only(input, [
      'KeyAttributes',
      'KeyCheckValueAlgorithm',
      'Exportable',
      'Enabled',
      'Tags',
      'DeriveKeyUsage',
    ]);
    const attributes = input['KeyAttributes'] as StoredKey['attributes'];
    const exportable = input['Exportable'] as boolean;
    if (attributes.KeyClass === 'ASYMMETRIC_KEY_PAIR') {
      const modulusLength = Number(attributes.KeyAlgorithm.slice('RSA_'.length));
      return this.#store({
        attributes,
        exportable,
        pair: generateKeyPairSync('rsa', { modulusLength }).privateKey,
      });
    }
    const algorithm = algorithms[attributes.KeyAlgorithm]!;
    const expected = algorithm.letter === 'A' ? 'CMAC' : 'ANSI_X9_24';
    if (input['KeyCheckValueAlgorithm'] !== expected)
      throw new Refused('ValidationException', 'check value algorithm');
    return this.#store({ attributes, exportable, key: randomBytes(algorithm.bytes) });
  }

  #import(input: Json): StoredKey {
    const { Tr31KeyBlock: block } = input['KeyMaterial'] as { Tr31KeyBlock: Record<string, string> };
    only(block!, ['WrappingKeyIdentifier', 'WrappedKeyBlock']);
    const wrapping = this.#find(block!['WrappingKeyIdentifier']);
    requireMode(wrapping, 'Unwrap');
    const { header, key } = unwrap(wrapping.key!, block!['WrappedKeyBlock']!);
    const [KeyAlgorithm] = Object.entries(algorithms).find(
      ([, { letter, bytes }]) => letter === header.algorithm && bytes === key.length,
    )!;
    return this.#store({
      attributes: {
        KeyUsage: importedUsages[header.keyUsage]!,
        KeyClass: 'SYMMETRIC_KEY',
        KeyAlgorithm,
        KeyModesOfUse: importedModes[header.modeOfUse]!,
      },
      exportable: header.exportability !== 'N',
      key,
    });
  }

  #export(input: Json): Json {
    only(input, ['KeyMaterial', 'ExportKeyIdentifier', 'ExportAttributes']);
    const key = this.#find(input['ExportKeyIdentifier']);
    if (!key.exportable) throw new Refused('ValidationException', 'the key is not exportable');
    const { Tr31KeyBlock, Tr34KeyBlock } = input['KeyMaterial'] as {
      Tr31KeyBlock?: Json;
      Tr34KeyBlock?: Json;
    };
    if (Tr34KeyBlock) return wrapped(key, 'TR34_KEY_BLOCK', this.#tr34(key, Tr34KeyBlock));
    const attributes = input['ExportAttributes'] as
      | { ExportDukptInitialKey: { KeySerialNumber: string } }
      | undefined;
    const leaving = attributes ? initialKey(key, attributes.ExportDukptInitialKey.KeySerialNumber) : key;
    return wrapped(leaving, 'TR31_KEY_BLOCK', this.#tr31(leaving, Tr31KeyBlock!));
  }

  #tr31({ key, attributes }: StoredKey, material: Json): string {
    only(material, ['WrappingKeyIdentifier', 'KeyBlockHeaders']);
    const wrapping = this.#find(material['WrappingKeyIdentifier']);
    requireMode(wrapping, 'Wrap');
    const algorithm = algorithms[attributes.KeyAlgorithm]!;
    const kek = algorithms[wrapping.attributes.KeyAlgorithm]!;
    if (kek.strengthBits < algorithm.strengthBits)
      throw new Refused('ValidationException', 'wrapping key too weak');
    const headers = (material['KeyBlockHeaders'] ?? {}) as {
      KeyExportability?: string;
      KeyVersion?: string;
      OptionalBlocks?: Record<string, string>;
    };
    const header: KeyBlockHeader = {
      versionId: kek.letter === 'A' ? 'D' : 'B',
      keyUsage: attributes.KeyUsage.slice(5, 7),
      algorithm: algorithm.letter,
      modeOfUse: attributes.KeyModesOfUse['DeriveKey'] ? 'X' : 'B',
      keyVersion: headers.KeyVersion ?? '00',
      exportability: exportabilities[headers.KeyExportability ?? 'EXPORTABLE']!,
      keyContext: '0',
      optionalBlocks: Object.entries(headers.OptionalBlocks ?? {}).map(
        ([id, data]): OptionalBlock => ({ id, data }),
      ),
    };
    return wrap(wrapping.key!, header, key!);
  }

  #tr34({ key, attributes }: StoredKey, material: Json): string {
    const text = material as Record<string, string>;
    only(material, [
      'CertificateAuthorityPublicKeyIdentifier',
      'WrappingKeyCertificate',
      'SigningKeyIdentifier',
      'SigningKeyCertificate',
      'KeyBlockFormat',
      'RandomNonce',
    ]);
    const algorithm = algorithms[attributes.KeyAlgorithm]!;
    if (algorithm.letter === 'A' && algorithm.bytes > 16) {
      throw new Refused('ValidationException', 'TR-34 carries TDES and AES-128 keys');
    }
    if (!/^[0-9A-F]{16,32}$/.test(text['RandomNonce']!))
      throw new Refused('ValidationException', 'RandomNonce');
    const krd = certificateIn(text['WrappingKeyCertificate']!);
    const authority = this.#find(text['CertificateAuthorityPublicKeyIdentifier']);
    if (!krd.verify(authority.certificate!.publicKey)) {
      throw new Refused('ValidationException', 'the wrapping key certificate is not of that CA');
    }
    const kdh = certificateIn(text['SigningKeyCertificate']!);
    const signing = this.#find(text['SigningKeyIdentifier']);
    if (!kdh.checkPrivateKey(signing.pair!))
      throw new Refused('ValidationException', 'signing key certificate');
    const signer = issuerAndSerialNumber(kdh.raw);
    const header = `D0000${attributes.KeyUsage.slice(5, 7)}${algorithm.letter}B00E0000`;
    const parts = exportKey(
      {
        key: key!,
        header,
        kdh: signer,
        krd: issuerAndSerialNumber(krd.raw),
        krdPublicKey: rsaPublicKey(krd.raw),
        nonce: Buffer.from(text['RandomNonce']!, 'hex'),
      },
      (data) => sign('sha256', data, signing.pair!),
      (bytes) => randomBytes(bytes),
    );
    return Buffer.from(assembleKeyToken({ ...parts, signer }))
      .toString('hex')
      .toUpperCase();
  }

  #store(key: Omit<StoredKey, 'arn'>): StoredKey {
    const id = randomBytes(8).toString('hex');
    const stored = { ...key, arn: `arn:aws:payment-cryptography:us-east-1:111122223333:key/${id}` };
    this.#keys.set(stored.arn, stored);
    return stored;
  }

  #find(identifier: unknown): StoredKey {
    const arn = this.#aliases.get(String(identifier)) ?? String(identifier);
    const key = this.#keys.get(arn);
    if (!key) throw new Refused('ResourceNotFoundException', `no key ${String(identifier)}`);
    return key;
  }
}

/** Usages of keys that can be imported here. */
const importedUsages: Record<string, string> = {
  B0: 'TR31_B0_BASE_DERIVATION_KEY',
  D0: 'TR31_D0_SYMMETRIC_DATA_ENCRYPTION_KEY',
  K0: 'TR31_K0_KEY_ENCRYPTION_KEY',
  M3: 'TR31_M3_ISO_9797_3_MAC_KEY',
  M6: 'TR31_M6_ISO_9797_5_CMAC_KEY',
};

const importedModes: Record<string, Record<string, boolean>> = {
  B: { Encrypt: true, Decrypt: true, Wrap: true, Unwrap: true },
  C: { Generate: true, Verify: true },
  E: { Encrypt: true },
  X: { DeriveKey: true },
};

/** What a request calls, by JSON RPC or by REST. */
interface Call {
  operation: string;
  isRest: boolean;
  contentType: string;
  /** Name of the service in the signature. */
  signingName: string;
  /** In the path, of REST. */
  key?: string;
}

/** The paths of the data plane. */
const restPaths: readonly [RegExp, string][] = [
  [/^\/keys\/([^/]+)\/encrypt$/, 'EncryptData'],
  [/^\/keys\/([^/]+)\/decrypt$/, 'DecryptData'],
  [/^\/mac\/generate$/, 'GenerateMac'],
  [/^\/mac\/verify$/, 'VerifyMac'],
];

function callOf({ url = '', headers }: IncomingMessage): Call {
  const [service = '', operation = ''] = String(headers['x-amz-target'] ?? '').split('.');
  if (service === 'TrentService') {
    return { operation, isRest: false, contentType: 'application/x-amz-json-1.1', signingName: 'kms' };
  }
  const rest = { isRest: true, contentType: 'application/json', signingName: 'payment-cryptography' };
  for (const [path, name] of restPaths) {
    const match = path.exec(url);
    if (match) return { ...rest, operation: name, key: decodeURIComponent(match[1] ?? '') };
  }
  return { ...rest, operation, isRest: false, contentType: 'application/x-amz-json-1.0' };
}

/** The secret of every caller. */
export const fakeSecret = 'not a secret';

function requireSignature(request: IncomingMessage, call: Call, body: Uint8Array): void {
  const { method, url, headers } = request;
  if (method !== 'POST' || (url !== '/' && !call.isRest) || headers['content-type'] !== call.contentType) {
    throw new Refused('SerializationException', `expected ${call.contentType}`);
  }
  const signature = sigv4Of(request, body);
  if (signature?.service !== call.signingName || !signature.isBy(fakeSecret))
    throw new Refused('InvalidSignatureException', 'the signature does not match');
}

/** Each call of the service derives again; nothing of it is stored. */
function initialKey(bdk: StoredKey, ksn: string): StoredKey {
  requireMode(bdk, 'DeriveKey');
  const isAes = bdk.attributes.KeyAlgorithm.startsWith('AES');
  if (!new RegExp(isAes ? '^[0-9A-F]{24}$' : '^[0-9A-F]{20}$').test(ksn)) {
    throw new Refused('ValidationException', 'KeySerialNumber');
  }
  const bytes = Buffer.from(ksn, 'hex');
  const key = isAes
    ? deriveAesInitialKey(bdk.key!, bytes.subarray(0, 8))
    : deriveTdesInitialKey(bdk.key!, bytes);
  // Which usage the service writes was not seen; B1 is what X9.143 has for it.
  return { ...bdk, key, attributes: { ...bdk.attributes, KeyUsage: 'TR31_B1_INITIAL_KEY' } };
}

export function requireMode({ attributes }: StoredKey, mode: string): void {
  if (!attributes.KeyModesOfUse[mode])
    throw new Refused('ValidationException', `the key has no mode ${mode}`);
}

function describe(key: StoredKey): Json {
  return {
    KeyArn: key.arn,
    KeyAttributes: key.attributes,
    KeyCheckValue: key.key && checkValue(key),
    KeyState: 'CREATE_COMPLETE',
    Enabled: true,
    Exportable: key.exportable,
    CreateTimestamp: Date.now() / 1000,
  };
}

function wrapped(key: StoredKey, format: string, material: string): Json {
  return { WrappedKeyMaterialFormat: format, KeyMaterial: material, KeyCheckValue: checkValue(key) };
}

function checkValue({ key, attributes }: StoredKey): string {
  const kcv = attributes.KeyAlgorithm.startsWith('AES') ? kcvAes(key!) : kcvTdes(key!);
  return Buffer.from(kcv).toString('hex').toUpperCase();
}

/** A certificate of the service's own CA for the public key. */
async function certificateOf({ pair }: StoredKey): Promise<Json> {
  const signer = localSigner(createPrivateKey(createTlsKey().privateKey));
  const notBefore = new Date();
  const certificate = await issueRoot({ signer, commonName: 'fake AWS root', notBefore });
  const publicKey = createPublicKey(pair!).export({ format: 'der', type: 'spki' });
  const request = { issuer: { certificate, signer }, publicKey, commonName: 'fake AWS key', notBefore };
  const der = await issueCertificate('kdh-signing', request);
  const pem = (each: Uint8Array): string =>
    Buffer.from(new X509Certificate(each).toString()).toString('base64');
  return { KeyCertificate: pem(der), KeyCertificateChain: pem(certificate) };
}

/** Base64 of PEM. The parts of the subject by the service's names. */
function certificateRequestOf(input: Json, { pair }: StoredKey): string {
  only(input, ['KeyIdentifier', 'SigningAlgorithm', 'CertificateSubject']);
  if (input['SigningAlgorithm'] !== 'SHA256') throw new Refused('ValidationException', 'SigningAlgorithm');
  const subject = input['CertificateSubject'] as Record<string, string>;
  const names = ['City', 'CommonName', 'Country', 'EmailAddress', 'Organization', 'OrganizationUnit'];
  only(subject, [...names, 'StateOrProvince']);
  const der = certificationRequest(
    {
      country: subject['Country'] ?? '',
      state: subject['StateOrProvince'] ?? '',
      locality: subject['City'] ?? '',
      organisation: subject['Organization'] ?? '',
      organisationalUnit: subject['OrganizationUnit'] ?? '',
      commonName: subject['CommonName']!,
    },
    createPublicKey(pair!).export({ format: 'der', type: 'spki' }),
    'R',
    pair!,
  );
  const label = 'CERTIFICATE REQUEST';
  const pem = `-----BEGIN ${label}-----\n${der.toString('base64')}\n-----END ${label}-----\n`;
  return Buffer.from(pem).toString('base64');
}

function certificateIn(base64: string): X509Certificate {
  return new X509Certificate(Buffer.from(base64, 'base64'));
}

/** Refuses members that the service does not know. */
export function only(input: Json, members: readonly string[]): void {
  const unknown = Object.keys(input).find((member) => !members.includes(member));
  if (unknown !== undefined) throw new Refused('ValidationException', `unknown member ${unknown}`);
}
