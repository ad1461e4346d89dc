import { createHash, X509Certificate as NodeCertificate } from 'node:crypto';
import { PkiError } from './errors.ts';
import { serialInNames } from './names.ts';
import { SubjectAlternativeNameExtension, X509Certificate } from './x509.ts';

/** A certificate as PEM text or DER bytes. */
export type CertificateInput = string | Uint8Array;

/** A certificate read twice: by OpenSSL, which verifies it, and by @peculiar/x509, which shows every extension. */
export interface ParsedCertificate {
  readonly openssl: NodeCertificate;
  readonly x509: X509Certificate;
}

/**
 * @throws PkiError PKI_MALFORMED for anything but one certificate in PEM or strict DER
 */
export function parseCertificate(input: CertificateInput): ParsedCertificate {
  try {
    const openssl = new NodeCertificate(typeof input === 'string' ? input : Buffer.from(input));
    if (typeof input === 'string' || openssl.raw.length === input.length) {
      return { openssl, x509: new X509Certificate(openssl.raw) };
    }
  } catch {
    // told below: the parsers' own messages add nothing
  }
  throw new PkiError('PKI_MALFORMED', `a certificate expected, ${input.length} other bytes came`);
}

/** What a caller keeps of a certificate. */
export interface CertificateDetails {
  readonly der: Uint8Array;
  /** Upper-case hex, no leading zero bytes. Unique under its issuer only. */
  readonly serialNumber: string;
  readonly commonName: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
}

/** @throws PkiError PKI_MALFORMED */
export function readCertificate(input: CertificateInput): CertificateDetails {
  const { openssl, x509 } = parseCertificate(input);
  return {
    der: openssl.raw,
    serialNumber: openssl.serialNumber,
    commonName: x509.subjectName.getField('CN')[0] ?? '',
    notBefore: x509.notBefore,
    notAfter: x509.notAfter,
    publicKey: openssl.publicKey.export({ type: 'spki', format: 'der' }),
  };
}

/** The certificate as PEM text. */
export function certificatePem(der: Uint8Array): string {
  return new NodeCertificate(Buffer.from(der)).toString();
}

/** SHA-256 of the certificate's DER, 64 hex digits. @throws PkiError PKI_MALFORMED */
export function fingerprint(input: CertificateInput): string {
  return createHash('sha256').update(parseCertificate(input).openssl.raw).digest('hex').toUpperCase();
}

/**
 * Serial number of the terminal that a certificate was issued to, from its URI `urn:kdh:device:<serial>`; undefined for
 * a certificate of anything else. Says nothing about trust: see `checkCertificate`.
 * @throws PkiError PKI_MALFORMED
 */
export function deviceSerialOf(input: CertificateInput): string | undefined {
  return serialInNames(parseCertificate(input).x509.getExtension(SubjectAlternativeNameExtension));
}
