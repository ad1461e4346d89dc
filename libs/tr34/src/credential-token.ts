/** CT_KRD and CT_KDH, by which KRD and KDH show their certificates when they bind. TR-34:2019, B.7 and B.6. */
import { parseCertificate } from './certificate.ts';
import { type Deviation, type DialectName, Reading } from './dialects.ts';
import { Tr34Error } from './errors.ts';
import { oids } from './oids.ts';
import { buildSignedToken, parseSignedToken } from './signed-data.ts';
import { checkCertificate, type Trust, type TrustedCertificate } from './trust.ts';

export interface CredentialToken {
  /** Certificate of the KRD or the KDH, DER. */
  readonly certificate: Uint8Array;
  /** Certificates of CAs that came with it, DER. */
  readonly issuers: readonly Uint8Array[];
  /** DER; one in a CT_KDH, none in a CT_KRD. */
  readonly crls: readonly Uint8Array[];
  /** The dialect that fits. */
  readonly dialect: DialectName;
  readonly deviations: readonly Deviation[];
}

/** A certificate that was found good, with its DER. */
export interface AcceptedCredential extends TrustedCertificate {
  readonly token: CredentialToken;
}

/** CT_KRD. Made by the KRD. Certificates are DER; `issuers` are those of CAs that the KDH may not know. */
export function buildKrdCredentialToken(
  certificate: Uint8Array,
  issuers: readonly Uint8Array[] = [],
  dialect: DialectName = 'strict',
): Uint8Array<ArrayBuffer> {
  return buildSignedToken({ contentType: oids.data, certificates: [certificate, ...issuers] }, dialect);
}

/** CT_KDH. Made by the KDH. `crl` (DER) is that of the CA of the KDHs. */
export function buildKdhCredentialToken(
  certificate: Uint8Array,
  crl: Uint8Array,
  dialect: DialectName = 'strict',
): Uint8Array<ArrayBuffer> {
  return buildSignedToken({ contentType: oids.data, certificates: [certificate], crls: [crl] }, dialect);
}

/**
 * Reads a CT_KRD or a CT_KDH, without judging the certificate.
 * @param dialect the one to read by; left out: any of `strict`, `annex-b-2019`, `aws`
 * @throws TR34_MALFORMED, TR34_DIALECT
 */
export function parseCredentialToken(token: Uint8Array, dialect?: DialectName): CredentialToken {
  const reading = new Reading(dialect);
  const { contentType, content, certificates, crls, signer } = parseSignedToken(token, reading);
  if (contentType !== oids.data || content || signer) {
    throw new Tr34Error('TR34_MALFORMED', 'credential token: expected no content and no signer');
  }
  const isCa = (der: Uint8Array) => parseCertificate(der).isCa;
  const [certificate, another] = certificates.filter((der) => !isCa(der));
  if (!certificate || another) {
    throw new Tr34Error(
      'TR34_MALFORMED',
      'credential token: expected one certificate that is not that of a CA',
    );
  }
  const { deviations, dialect: fits } = reading;
  return { certificate, issuers: certificates.filter(isCa), crls, dialect: fits, deviations };
}

/**
 * Takes a CT_KRD: path, role, validity, revocation. Called by the KDH when a KRD binds.
 * The CRL of the KRDs' CA is the caller's (`trust.revocation.crls`): a CT_KRD carries none.
 * @throws TR34_MALFORMED, TR34_DIALECT, TR34_CERTIFICATE_*, TR34_CRL_*
 */
export function acceptKrdCredential(
  token: Uint8Array,
  trust: Trust,
  dialect?: DialectName,
): AcceptedCredential {
  return accept(parseCredentialToken(token, dialect), 'KRD', trust);
}

/**
 * Takes a CT_KDH: path, role, validity, revocation by the CRL in the token. Called by the KRD, which is bound to this
 * KDH from here on; that it was bound to none before is the caller's to check.
 * @throws TR34_MALFORMED, TR34_DIALECT, TR34_CERTIFICATE_*, TR34_CRL_*
 */
export function acceptKdhCredential(
  token: Uint8Array,
  trust: Trust,
  dialect?: DialectName,
): AcceptedCredential {
  return accept(parseCredentialToken(token, dialect), 'KDH', trust);
}

function accept(token: CredentialToken, role: 'KDH' | 'KRD', trust: Trust): AcceptedCredential {
  const { certificate, issuers: certificates, crls } = token;
  return { token, ...checkCertificate(certificate, role, trust, { certificates, crls }) };
}
