import { createHash } from 'node:crypto';
import {
  BasicConstraints,
  id_ce_basicConstraints,
  id_ce_subjectKeyIdentifier,
  type Name,
  SubjectKeyIdentifier,
} from '@peculiar/asn1-x509';
import { type CertificateInput, readCertificate } from './certificate.ts';
import { PkiError } from './errors.ts';
import { canonicalSpki } from './keys.ts';
import { type CertificateSigner, signerKey } from './signer.ts';

/** A certificate authority: its certificate and the key that signs for it. One that issues often is kept: it is read once. */
export interface Issuer {
  readonly certificate: CertificateInput;
  readonly signer: CertificateSigner;
}

/** What a certificate or a CRL takes from its issuer. */
export interface Authority {
  readonly name: Name;
  /** Subject key identifier. */
  readonly keyId: Uint8Array;
  readonly notAfter: Date;
  /** How many CAs may follow below. */
  readonly pathLength: number;
}

const authorities = new WeakMap<Issuer, Authority>();

/** @throws PkiError PKI_ISSUER_REFUSED when the certificate is no CA's, or for another key than the signer's */
export function authorityOf(issuer: Issuer): Authority {
  const authority = authorities.get(issuer) ?? readAuthority(issuer);
  authorities.set(issuer, authority);
  return authority;
}

function readAuthority({ certificate, signer }: Issuer): Authority {
  const authority = readCertificate(certificate);
  const constraints = authority.extension(id_ce_basicConstraints, BasicConstraints);
  if (!constraints?.cA) throw new PkiError('PKI_ISSUER_REFUSED', "the issuer's certificate is not a CA's");
  const { publicKey } = authority;
  if (!Buffer.from(publicKey).equals(canonicalSpki(signerKey(signer)))) {
    throw new PkiError('PKI_ISSUER_REFUSED', "the issuer's certificate is for another key than the signer's");
  }
  const keyId = authority.extension(id_ce_subjectKeyIdentifier, SubjectKeyIdentifier);
  return {
    name: authority.tbs.subject,
    keyId: keyId ? new Uint8Array(keyId.buffer) : keyIdentifier(publicKey),
    notAfter: authority.notAfter,
    pathLength: constraints.pathLenConstraint ?? Number.POSITIVE_INFINITY,
  };
}

/** Leftmost 160 bits of the SHA-256 of the SubjectPublicKeyInfo. RFC 7093, 2, method 4. */
export function keyIdentifier(spki: Uint8Array): Uint8Array {
  return createHash('sha256').update(spki).digest().subarray(0, 20);
}
