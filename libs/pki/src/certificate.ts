import { createHash, type KeyObject, X509Certificate as OpensslCertificate } from 'node:crypto';
import { Certificate as Asn1Certificate, type TBSCertificate } from '@peculiar/asn1-x509';
import { parseDer } from './der.ts';
import { PkiError } from './errors.ts';
import { readExtension } from './extensions.ts';
import { canonicalSpki } from './keys.ts';
import { commonNameOf, serialInNames } from './names.ts';

/** A certificate as PEM text, as DER bytes, as OpenSSL has read it, or read whole, which saves the time when it is used often. */
export type CertificateInput = string | Uint8Array | OpensslCertificate | Certificate;

/**
 * A certificate, immutable. It is read twice: by OpenSSL, which verifies signatures, and by the ASN.1 library, which
 * shows every extension. Nothing here says that it can be trusted: see `checkCertificate`.
 */
export class Certificate {
  readonly openssl: OpensslCertificate;
  readonly tbs: TBSCertificate;

  /** @throws PkiError PKI_MALFORMED for anything but one certificate, as PEM or DER */
  constructor(input: string | Uint8Array | OpensslCertificate) {
    this.openssl = readOpenssl(input);
    this.tbs = parseDer(this.openssl.raw, Asn1Certificate, 'a certificate').tbsCertificate;
  }

  get der(): Uint8Array {
    return this.openssl.raw;
  }

  /** Upper-case hex, an even number of digits. Unique under its issuer only. */
  get serialNumber(): string {
    return this.openssl.serialNumber;
  }

  /** Undefined when the subject has none or several. */
  get commonName(): string | undefined {
    return commonNameOf(this.tbs.subject);
  }

  get notBefore(): Date {
    return this.tbs.validity.notBefore.getTime();
  }

  get notAfter(): Date {
    return this.tbs.validity.notAfter.getTime();
  }

  /** @throws PkiError PKI_MALFORMED when OpenSSL can't use the key, such as a point off its curve */
  get key(): KeyObject {
    try {
      return this.openssl.publicKey;
    } catch {
      throw new PkiError('PKI_MALFORMED', 'a certificate with a usable public key expected');
    }
  }

  /** SubjectPublicKeyInfo in canonical form, DER. @throws PkiError PKI_MALFORMED */
  get publicKey(): Uint8Array {
    return canonicalSpki(this.key);
  }

  /** The value of an extension; undefined when it is absent. @throws PkiError PKI_MALFORMED */
  extension<T>(oid: string, type: new () => T): T | undefined {
    return readExtension(this.tbs.extensions, oid, type);
  }
}

/** @throws PkiError PKI_MALFORMED */
export function readCertificate(input: CertificateInput): Certificate {
  return input instanceof Certificate ? input : new Certificate(input);
}

function readOpenssl(input: string | Uint8Array | OpensslCertificate): OpensslCertificate {
  if (input instanceof OpensslCertificate) return input;
  try {
    const certificate = new OpensslCertificate(typeof input === 'string' ? input : Buffer.from(input));
    if (typeof input === 'string' || certificate.raw.length === input.length) return certificate;
  } catch {
    // told below: OpenSSL's own message adds nothing
  }
  throw new PkiError('PKI_MALFORMED', `a certificate expected, ${input.length} other bytes came`);
}

/** The certificate as PEM text. @throws PkiError PKI_MALFORMED for what OpenSSL does not read */
export function certificatePem(input: CertificateInput): string {
  return opensslOf(input).toString();
}

/** SHA-256 of the certificate's DER, 64 hex digits. @throws PkiError PKI_MALFORMED for what OpenSSL does not read */
export function fingerprint(input: CertificateInput): string {
  return createHash('sha256').update(opensslOf(input).raw).digest('hex').toUpperCase();
}

/** Without the ASN.1 library's reading, which takes four times as long as OpenSSL's. */
function opensslOf(input: CertificateInput): OpensslCertificate {
  return input instanceof Certificate ? input.openssl : readOpenssl(input);
}

/**
 * Serial number of the terminal that a certificate was issued to, from its URI `urn:kdh:device:<serial>`; undefined for
 * a certificate of anything else. Says nothing about trust: see `checkCertificate`.
 * @throws PkiError PKI_MALFORMED
 */
export function deviceSerialOf(input: CertificateInput): string | undefined {
  return serialInNames(readCertificate(input).tbs.extensions);
}
