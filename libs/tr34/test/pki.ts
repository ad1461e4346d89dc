/** A PKI for the specs, around the published keys of Clover's sample, so that no spec waits for RSA keys. */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  concat,
  contextTag,
  encode,
  nullValue,
  octetString,
  oid,
  sequence,
  setOf,
  smallInteger,
  tags,
  time,
} from '../src/der.ts';
import {
  localDecryptor,
  localSigner,
  purposes,
  type RolePolicy,
  rolePolicies,
  type Trust,
} from '../src/index.ts';
import { oids } from '../src/oids.ts';

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../../test/vectors/${name}`, import.meta.url), 'utf8'));

/** Tokens and PKI of clover-tr34-host. */
export const clover: {
  pki: Record<
    'root' | 'kdhCa' | 'krdCa' | 'kdh1' | 'kdh2' | 'krd1',
    { certificatePem: string; privateKeyPem: string; subject: string; issuer: string; serial: string }
  >;
  tokens: {
    id: string;
    kind: string;
    derHex: string;
    randomTokenDerHex?: string;
    expected: {
      signedDataVersion: number;
      signedAttributes: string[];
      nonce: string;
      keyBlockHeader: string;
      contentEncryptionKey: string;
      keyBlockDerHex: string;
      clearKey: string;
      identifiers: string[];
      identifiersDerHex: string;
      newKdh: string;
      crl: { issuer: string; thisUpdate: string; nextUpdate: string; revokedSerials: string[] };
    };
  }[];
} = read('tr34.json');

/** Private keys of other sizes, by bits. */
export const keyOfSize = (bits: 2047 | 3072 | 4096 | 4104): KeyObject => {
  const { keys } = read('tr34-keys.json') as { keys: { bits: number; privateKeyPem: string }[] };
  return createPrivateKey(keys.find((key) => key.bits === bits)?.privateKeyPem as string);
};

export const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));
export const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex').toUpperCase();
export const pemToDer = (pem: string): Uint8Array =>
  Uint8Array.from(Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64'));

const name = (commonName: string) =>
  sequence(setOf(sequence(oid('2.5.4.3'), encode(0x0c, Buffer.from(commonName, 'utf8')))));

const extension = (id: string, value: Uint8Array, critical = false) =>
  sequence(oid(id), ...(critical ? [encode(tags.boolean, Uint8Array.of(0xff))] : []), octetString(value));

const keyUsageBits = {
  digitalSignature: 0x80,
  keyEncipherment: 0x20,
  keyCertSign: 0x04,
  cRLSign: 0x02,
} as const;
export type UsageBit = keyof typeof keyUsageBits;

const sha256WithRsa = sequence(oid(oids.sha256WithRsaEncryption), nullValue);

/** SIGNED{}. */
const signed = (tbs: Uint8Array, key: KeyObject) =>
  sequence(tbs, sha256WithRsa, encode(tags.bitString, Uint8Array.of(0), sign('sha256', tbs, key)));

export interface CertificateOptions {
  subject: string;
  issuer: string;
  /** The key that is certified, its private half or its public one. */
  key: KeyObject;
  issuerKey: KeyObject;
  /** Content of the INTEGER. */
  serial?: Uint8Array;
  notBefore?: Date;
  notAfter?: Date;
  ca?: boolean;
  pathLength?: number;
  keyUsage?: UsageBit[];
  extendedKeyUsage?: string[];
  /** Further extensions as DER. */
  extensions?: Uint8Array[];
}

export const issued = new Date('2026-01-01T00:00:00Z');
export const expires = new Date('2036-01-01T00:00:00Z');

let lastSerial = 0x1000;

export function issueCertificate(options: CertificateOptions): Uint8Array {
  const { subject, issuer, key, issuerKey, ca, pathLength, keyUsage, extendedKeyUsage } = options;
  lastSerial += 1;
  const serial = options.serial ?? Uint8Array.of(lastSerial >> 8, lastSerial & 0xff);
  const usage = keyUsage?.reduce((bits, bit) => bits | keyUsageBits[bit], 0);
  const constraints = [
    ...(ca ? [encode(tags.boolean, Uint8Array.of(0xff))] : []),
    ...(pathLength === undefined ? [] : [smallInteger(pathLength)]),
  ];
  const extensions = [
    ...(usage ? [extension(oids.keyUsage, encode(tags.bitString, Uint8Array.of(0, usage)), true)] : []),
    extension(oids.basicConstraints, sequence(...constraints), true),
    ...(extendedKeyUsage ? [extension(oids.extendedKeyUsage, sequence(...extendedKeyUsage.map(oid)))] : []),
    ...(options.extensions ?? []),
  ];
  const tbs = sequence(
    encode(contextTag(0), smallInteger(2)),
    encode(tags.integer, serial),
    sha256WithRsa,
    name(issuer),
    sequence(time(options.notBefore ?? issued), time(options.notAfter ?? expires)),
    name(subject),
    Uint8Array.from(publicHalf(key).export({ format: 'der', type: 'spki' })),
    encode(contextTag(3), sequence(...extensions)),
  );
  return signed(tbs, issuerKey);
}

const publicHalf = (key: KeyObject) => (key.type === 'public' ? key : createPublicKey(key));

export { extension };

export interface CrlOptions {
  issuer: string;
  key: KeyObject;
  thisUpdate?: Date;
  nextUpdate?: Date | null;
  number?: number;
  /** Certificates. */
  revoked?: Uint8Array[];
  extensions?: Uint8Array[];
}

export function issueCrl(options: CrlOptions): Uint8Array {
  const { issuer, key, thisUpdate = issued, nextUpdate = expires, number, revoked = [] } = options;
  const entries = revoked.map((der) => sequence(serialOf(der), time(issued)));
  const extensions = [
    ...(number === undefined ? [] : [extension(oids.crlNumber, smallInteger(number))]),
    ...(options.extensions ?? []),
  ];
  const tbs = sequence(
    smallInteger(1),
    sha256WithRsa,
    name(issuer),
    time(thisUpdate),
    ...(nextUpdate ? [time(nextUpdate)] : []),
    ...(entries.length > 0 ? [sequence(...entries)] : []),
    ...(extensions.length > 0 ? [encode(contextTag(0), sequence(...extensions))] : []),
  );
  return signed(tbs, key);
}

/** The INTEGER of a certificate's serial. */
function serialOf(der: Uint8Array): Uint8Array {
  const at = Buffer.from(der).indexOf(Buffer.from(concat(encode(contextTag(0), smallInteger(2)))));
  const start = at + 5;
  return der.subarray(start, start + 2 + (der[start + 1] as number));
}

const cloverKey = (member: keyof typeof clover.pki) => createPrivateKey(clover.pki[member].privateKeyPem);

export const keys = {
  root: cloverKey('root'),
  kdhCa: cloverKey('kdhCa'),
  krdCa: cloverKey('krdCa'),
  kdh: cloverKey('kdh1'),
  newKdh: cloverKey('kdh2'),
  krd: cloverKey('krd1'),
};

const ca = { ca: true, keyUsage: ['keyCertSign', 'cRLSign'] as UsageBit[] };

export const kdhProfile = {
  issuer: 'KDH CA',
  issuerKey: keys.kdhCa,
  keyUsage: ['digitalSignature'] as UsageBit[],
  extendedKeyUsage: [purposes.kdhSigning as string],
};
export const krdProfile = {
  issuer: 'KRD CA',
  issuerKey: keys.krdCa,
  keyUsage: ['keyEncipherment'] as UsageBit[],
  extendedKeyUsage: [purposes.krdEncryption as string],
};

/** One root, a CA for each role, two KDHs, two KRDs, and a KRD that would like to be a KDH. */
export const certificates = {
  root: issueCertificate({
    subject: 'Root',
    issuer: 'Root',
    key: keys.root,
    issuerKey: keys.root,
    ...ca,
    pathLength: 1,
  }),
  kdhCa: issueCertificate({
    subject: 'KDH CA',
    issuer: 'Root',
    key: keys.kdhCa,
    issuerKey: keys.root,
    ...ca,
    pathLength: 0,
  }),
  krdCa: issueCertificate({
    subject: 'KRD CA',
    issuer: 'Root',
    key: keys.krdCa,
    issuerKey: keys.root,
    ...ca,
    pathLength: 0,
  }),
  kdh: issueCertificate({ subject: 'One', key: keys.kdh, ...kdhProfile }),
  newKdh: issueCertificate({ subject: 'Two', key: keys.newKdh, ...kdhProfile }),
  krd: issueCertificate({ subject: 'T1000', key: keys.krd, ...krdProfile }),
  otherKrd: issueCertificate({ subject: 'T1001', key: keys.newKdh, ...krdProfile }),
};

export const at = new Date('2026-11-24T00:00:00Z');
export const kdhCrl = issueCrl({ issuer: 'KDH CA', key: keys.kdhCa, number: 1 });
export const krdCrl = issueCrl({ issuer: 'KRD CA', key: keys.krdCa, number: 1 });
export const rootCrl = issueCrl({ issuer: 'Root', key: keys.root, number: 1 });

/** What a KDH or a KRD of this PKI judges by; the CRLs are at hand. */
export const trust: Trust = {
  anchors: [certificates.root],
  intermediates: [certificates.kdhCa, certificates.krdCa],
  revocation: { crls: [kdhCrl, krdCrl, rootCrl], whenAbsent: 'refuse' },
  at,
};

/** What the KRD of Clover's samples judges by. */
export const cloverTrust: Trust = {
  anchors: [pemToDer(clover.pki.root.certificatePem)],
  intermediates: [pemToDer(clover.pki.kdhCa.certificatePem), pemToDer(clover.pki.krdCa.certificatePem)],
  rolePolicy: rolePolicies.commonName as RolePolicy,
  revocation: { whenAbsent: 'accept' },
  at,
};

export const kdhSigner = localSigner(certificates.kdh, keys.kdh);
export const caSigner = localSigner(certificates.krdCa, keys.krdCa);
export const krd = { certificate: certificates.krd, kdhCertificate: certificates.kdh, trust };
export const decryptor = localDecryptor(keys.krd);

export const nonce = bytes('0102030405060708090A0B0C0D0E0F10');

/** A store of outstanding nonces as a KRD would have it. */
export const outstanding = (...nonces: Uint8Array[]) => {
  const left = new Set(nonces.map(hex));
  return { take: (taken: Uint8Array) => left.delete(hex(taken)) };
};

/** The code that a call is refused with. */
export async function refusal(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    const { name, code } = error as { name: string; code: string };
    return name === 'Tr34Error' ? code : `not a Tr34Error: ${String(error)}`;
  }
  return 'accepted';
}
