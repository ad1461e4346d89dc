import { type KeyObject, randomBytes } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import {
  Certificate as Asn1Certificate,
  type Extension,
  Extensions,
  type Name,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from '@peculiar/asn1-x509';
import { authorityOf, type Issuer, keyIdentifier } from './authority.ts';
import { PkiError } from './errors.ts';
import {
  authorityKeyIdentifier,
  basicConstraints,
  extendedKeyUsage,
  keyUsage,
  subjectKeyIdentifier,
} from './extensions.ts';
import { canonicalSpki, keyKind, readPublicKey, refuseKeyKind } from './keys.ts';
import { commonNameOnly, deviceName, hostNames } from './names.ts';
import { type CaProfile, certificateProfiles, type LeafProfile } from './profiles.ts';
import { purposes } from './purposes.ts';
import { type CertificateSigner, signatureAlgorithm, signerKey, signVerified } from './signer.ts';

export interface RootRequest {
  readonly signer: CertificateSigner;
  /** 1 to 64 printable ASCII characters. */
  readonly commonName: string;
  readonly notBefore: Date;
  /** The profile's validity when absent. */
  readonly notAfter?: Date;
}

export interface CertificateRequest {
  readonly issuer: Issuer;
  /** SubjectPublicKeyInfo of the subject, DER. */
  readonly publicKey: Uint8Array;
  /** 1 to 64 printable ASCII characters; for a terminal its serial number. */
  readonly commonName: string;
  /** DNS names and IP addresses, where the profile has `names: 'hosts'`. */
  readonly hosts?: readonly string[];
  readonly notBefore: Date;
  /** The profile's validity when absent. The certificate never outlives its issuer. */
  readonly notAfter?: Date;
}

export type IssuedProfileName = Exclude<keyof typeof certificateProfiles, 'root'>;

/**
 * A self-signed root certificate, DER.
 * @throws PkiError PKI_KEY_REFUSED, PKI_NAME_REFUSED, PKI_SIGNER_FAILED; what the signer throws passes through
 */
export async function issueRoot({
  signer,
  commonName,
  notBefore,
  notAfter,
}: RootRequest): Promise<Uint8Array> {
  const key = signerKey(signer);
  const name = commonNameOnly(commonName);
  return signCertificate(signer, {
    key,
    subject: name,
    issuer: name,
    issuerKeyId: keyIdentifier(canonicalSpki(key)),
    notBefore,
    notAfter: notAfter ?? daysAfter(notBefore, certificateProfiles.root.validityDays),
    extensions: caExtensions(certificateProfiles.root),
  });
}

/**
 * A certificate of a profile, DER, for a key whose owner has proved to have it (see `readCertificationRequest`).
 * @throws PkiError PKI_ISSUER_REFUSED when the issuer is no CA for this or its key is not the signer's;
 * PKI_KEY_REFUSED, PKI_NAME_REFUSED, PKI_SIGNER_FAILED; what the signer throws passes through
 */
export async function issueCertificate(
  profileName: IssuedProfileName,
  request: CertificateRequest,
): Promise<Uint8Array> {
  const profile: CaProfile | LeafProfile = certificateProfiles[profileName];
  const authority = authorityOf(request.issuer);
  const key = readPublicKey(request.publicKey);
  if (profile.kind === 'ca' && profile.pathLength >= authority.pathLength) {
    throw new PkiError(
      'PKI_ISSUER_REFUSED',
      `the path length of the issuer, ${authority.pathLength}, allows no such CA`,
    );
  }
  if (profile.kind === 'leaf') refuseKeyKind(keyKind(key), purposes[profile.purpose].keyKinds);
  const notAfter = request.notAfter ?? daysAfter(request.notBefore, profile.validityDays);
  return signCertificate(request.issuer.signer, {
    key,
    subject: commonNameOnly(request.commonName),
    issuer: authority.name,
    issuerKeyId: authority.keyId,
    notBefore: request.notBefore,
    notAfter: notAfter < authority.notAfter ? notAfter : authority.notAfter,
    extensions: profile.kind === 'ca' ? caExtensions(profile) : leafExtensions(profile, request),
  });
}

function caExtensions(profile: CaProfile): Extension[] {
  return [basicConstraints(true, profile.pathLength), keyUsage(profile.keyUsage)];
}

function leafExtensions(profile: LeafProfile, { commonName, hosts = [] }: CertificateRequest): Extension[] {
  const purpose = purposes[profile.purpose];
  return [
    basicConstraints(false),
    keyUsage(purpose.keyUsage),
    extendedKeyUsage(purpose.oid),
    ...(profile.names === 'device' ? [deviceName(commonName)] : []),
    ...(profile.names === 'hosts' ? [hostNames(hosts)] : []),
  ];
}

interface Contents {
  readonly key: KeyObject;
  readonly subject: Name;
  readonly issuer: Name;
  readonly issuerKeyId: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly extensions: readonly Extension[];
}

async function signCertificate(signer: CertificateSigner, contents: Contents): Promise<Uint8Array> {
  keyKind(contents.key); // refuses weak keys and other algorithms, for every profile
  const publicKey = canonicalSpki(contents.key);
  const algorithm = signatureAlgorithm(signer);
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: newSerialNumber(),
    signature: algorithm,
    issuer: contents.issuer,
    validity: new Validity({ notBefore: contents.notBefore, notAfter: contents.notAfter }),
    subject: contents.subject,
    subjectPublicKeyInfo: AsnConvert.parse(publicKey, SubjectPublicKeyInfo),
    extensions: new Extensions([
      ...contents.extensions,
      subjectKeyIdentifier(keyIdentifier(publicKey)),
      authorityKeyIdentifier(contents.issuerKeyId),
    ]),
  });
  const signatureValue = await signVerified(signer, AsnConvert.serialize(tbsCertificate));
  const certificate = new Asn1Certificate({ tbsCertificate, signatureAlgorithm: algorithm, signatureValue });
  return new Uint8Array(AsnConvert.serialize(certificate));
}

/** 16 random bytes, positive. RFC 5280, 4.1.2.2 asks for a unique number of at most 20 bytes. */
function newSerialNumber(): ArrayBuffer {
  const bytes = new Uint8Array(randomBytes(16));
  bytes[0] = (bytes[0]! & 0x3f) | 0x40; // neither a sign bit nor a leading zero byte
  return bytes.buffer;
}

function daysAfter(date: Date, days: number): Date {
  return new Date(date.getTime() + days * 86_400_000);
}
