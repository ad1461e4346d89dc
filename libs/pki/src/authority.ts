import { createHash } from 'node:crypto';
import { type CertificateInput, parseCertificate } from './certificate.ts';
import { PkiError } from './errors.ts';
import { canonicalSpki, readPublicKey } from './keys.ts';
import type { CertificateSigner } from './signer.ts';
import { BasicConstraintsExtension, type Name, SubjectKeyIdentifierExtension } from './x509.ts';

/** A certificate authority: its certificate and the key that signs for it. */
export interface Issuer {
  readonly certificate: CertificateInput;
  readonly signer: CertificateSigner;
}

/** What a certificate or a CRL takes from its issuer. */
export interface Authority {
  readonly name: Name;
  /** Subject key identifier, hex. */
  readonly keyId: string;
  readonly notAfter: Date;
  /** How many CAs may follow below. */
  readonly pathLength: number;
}

/** @throws PkiError PKI_ISSUER_REFUSED when the certificate is no CA's, or for another key than the signer's */
export function readAuthority({ certificate, signer }: Issuer): Authority {
  const { openssl, x509 } = parseCertificate(certificate);
  if (!openssl.ca) throw new PkiError('PKI_ISSUER_REFUSED', "the issuer's certificate is not a CA's");
  const publicKey = canonicalSpki(openssl.publicKey);
  if (!Buffer.from(publicKey).equals(canonicalSpki(readPublicKey(signer.publicKey)))) {
    throw new PkiError('PKI_ISSUER_REFUSED', "the issuer's certificate is for another key than the signer's");
  }
  return {
    name: x509.subjectName,
    keyId: x509.getExtension(SubjectKeyIdentifierExtension)?.keyId ?? keyIdentifier(publicKey),
    notAfter: x509.notAfter,
    pathLength: x509.getExtension(BasicConstraintsExtension)?.pathLength ?? Number.POSITIVE_INFINITY,
  };
}

/** Leftmost 160 bits of the SHA-256 of the SubjectPublicKeyInfo, hex. RFC 7093, 2, method 4. */
export function keyIdentifier(spki: Uint8Array): string {
  return createHash('sha256').update(spki).digest('hex').slice(0, 40);
}
