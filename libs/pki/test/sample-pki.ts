import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import { Certificate as Asn1Certificate, type TBSCertificate } from '@peculiar/asn1-x509';
import { issueCertificate, issueRoot } from '../src/issue.ts';
import { createTlsKey } from '../src/keys.ts';
import { type CertificateSigner, localSigner } from '../src/signer.ts';

/** A day on which everything of the sample PKI is valid. */
export const today = new Date('2026-11-24T12:00:00Z');
export const yesterday = new Date('2026-11-23T12:00:00Z');
export const tomorrow = new Date('2026-11-25T12:00:00Z');

export function ecKey(namedCurve = 'P-256'): KeyObject {
  return generateKeyPairSync('ec', { namedCurve }).privateKey;
}

export function rsaKey(modulusLength = 2048, publicExponent = 65537): KeyObject {
  return generateKeyPairSync('rsa', { modulusLength, publicExponent }).privateKey;
}

export interface SampleAuthority {
  readonly certificate: Uint8Array;
  readonly signer: CertificateSigner;
}

export interface SamplePki {
  readonly root: SampleAuthority;
  readonly terminalCa: SampleAuthority;
  readonly kdhCa: SampleAuthority;
}

/** root → terminal CA, KDH CA, as the KDH has them; `newKey` makes their keys. */
export async function samplePki(newKey: () => KeyObject = ecKey): Promise<SamplePki> {
  const rootSigner = localSigner(newKey());
  const root = {
    certificate: await issueRoot({ signer: rootSigner, commonName: 'Sample root', notBefore: yesterday }),
    signer: rootSigner,
  };
  const below = async (profile: 'terminal-ca' | 'kdh-ca', commonName: string): Promise<SampleAuthority> => {
    const signer = localSigner(newKey());
    const request = { issuer: root, publicKey: signer.publicKey, commonName, notBefore: yesterday };
    return { certificate: await issueCertificate(profile, request), signer };
  };
  return {
    root,
    terminalCa: await below('terminal-ca', 'Sample terminal CA'),
    kdhCa: await below('kdh-ca', 'Sample KDH CA'),
  };
}

/** A TLS certificate of terminal SIM-000001. */
export function terminalCertificate(
  issuer: SampleAuthority,
  publicKey = createTlsKey().publicKey,
): Promise<Uint8Array> {
  return issueCertificate('terminal-tls', {
    issuer,
    publicKey,
    commonName: 'SIM-000001',
    notBefore: yesterday,
  });
}

/** A certificate changed by `change` and signed anew: what the profiles never issue. */
export async function resigned(
  der: Uint8Array,
  signer: CertificateSigner,
  change: (tbs: TBSCertificate) => void,
): Promise<Uint8Array> {
  const certificate = AsnConvert.parse(der, Asn1Certificate);
  change(certificate.tbsCertificate);
  certificate.signatureAlgorithm = certificate.tbsCertificate.signature;
  const tbs = AsnConvert.serialize(certificate.tbsCertificate);
  certificate.signatureValue = new Uint8Array(await signer.sign(new Uint8Array(tbs))).buffer;
  delete certificate.tbsCertificateRaw;
  return new Uint8Array(AsnConvert.serialize(certificate));
}

/** `bytes` with one bit flipped in each byte in turn. */
export function* withFlippedBits(bytes: Uint8Array): Generator<Uint8Array> {
  for (let i = 0; i < bytes.length; i++) {
    const flipped = Uint8Array.from(bytes);
    flipped[i]! ^= 1 << (i % 8);
    yield flipped;
  }
}
