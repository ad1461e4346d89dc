import { type KeyObject, X509Certificate as NodeCertificate, randomBytes } from 'node:crypto';
import { type Issuer, keyIdentifier, readAuthority } from './authority.ts';
import { PkiError } from './errors.ts';
import { canonicalSpki, keyKind, readPublicKey, refuseKeyKind } from './keys.ts';
import { commonNameOnly, deviceName, hostNames } from './names.ts';
import { type CaProfile, certificateProfiles, type LeafProfile } from './profiles.ts';
import { purposes } from './purposes.ts';
import { type CertificateSigner, generatorParameters } from './signer.ts';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsagesExtension,
  type Name,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from './x509.ts';

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
  const key = readPublicKey(signer.publicKey);
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
  const authority = readAuthority(request.issuer);
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

function caExtensions({ pathLength, keyUsage }: CaProfile): Extension[] {
  return [new BasicConstraintsExtension(true, pathLength, true), new KeyUsagesExtension(keyUsage, true)];
}

function leafExtensions(profile: LeafProfile, { commonName, hosts = [] }: CertificateRequest): Extension[] {
  const { oid, keyUsage } = purposes[profile.purpose];
  return [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(keyUsage, true),
    new ExtendedKeyUsageExtension([oid]),
    ...(profile.names === 'device' ? [deviceName(commonName)] : []),
    ...(profile.names === 'hosts' ? [hostNames(hosts)] : []),
  ];
}

interface ToBeSigned {
  readonly key: KeyObject;
  readonly subject: Name;
  readonly issuer: Name;
  readonly issuerKeyId: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly extensions: readonly Extension[];
}

async function signCertificate(signer: CertificateSigner, tbs: ToBeSigned): Promise<Uint8Array> {
  keyKind(tbs.key); // refuses weak keys and other algorithms, for every profile
  const publicKey = canonicalSpki(tbs.key);
  const { crypto, ...signing } = generatorParameters(signer);
  const certificate = await X509CertificateGenerator.create(
    {
      ...signing,
      serialNumber: newSerialNumber(),
      subject: tbs.subject,
      issuer: tbs.issuer,
      publicKey,
      notBefore: tbs.notBefore,
      notAfter: tbs.notAfter,
      extensions: [
        ...tbs.extensions,
        new SubjectKeyIdentifierExtension(keyIdentifier(publicKey)),
        new AuthorityKeyIdentifierExtension(tbs.issuerKeyId),
      ],
    },
    crypto,
  );
  const der = Buffer.from(certificate.rawData);
  // The signer can be an HSM at the end of a wire: a certificate counts as issued only when its answer verifies.
  if (!new NodeCertificate(der).verify(readPublicKey(signer.publicKey))) {
    throw new PkiError('PKI_SIGNER_FAILED', 'the signature over the new certificate does not verify');
  }
  return der;
}

/** 16 random bytes, positive, hex. RFC 5280, 4.1.2.2 asks for a unique number of at most 20 bytes. */
function newSerialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x3f) | 0x40; // neither a sign bit nor a leading zero byte
  return bytes.toString('hex');
}

function daysAfter(date: Date, days: number): Date {
  return new Date(date.getTime() + days * 86_400_000);
}
