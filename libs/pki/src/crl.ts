import { type KeyObject, verify } from 'node:crypto';
import { type Issuer, readAuthority } from './authority.ts';
import { PkiError } from './errors.ts';
import { readPublicKey } from './keys.ts';
import { generatorParameters } from './signer.ts';
import { AuthorityKeyIdentifierExtension, Extension, X509Crl, X509CrlGenerator } from './x509.ts';

/** RFC 5280, 5.3.1. */
export const revocationReasons = {
  unspecified: 0,
  keyCompromise: 1,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  privilegeWithdrawn: 9,
} as const;
export type RevocationReason = keyof typeof revocationReasons;

export interface CrlRequest {
  readonly issuer: Issuer;
  /** Greater than that of the issuer's last CRL. RFC 5280, 5.2.3. */
  readonly number: number;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
  readonly revoked: readonly {
    /** Hex, as in `readCertificate`. */
    readonly serialNumber: string;
    readonly revokedAt: Date;
    readonly reason?: RevocationReason;
  }[];
}

/**
 * A complete CRL of version 2, DER; verified before it is handed out.
 * @throws PkiError PKI_ISSUER_REFUSED, PKI_SIGNER_FAILED; what the signer throws passes through
 */
export async function issueCrl({
  issuer,
  number,
  thisUpdate,
  nextUpdate,
  revoked,
}: CrlRequest): Promise<Uint8Array> {
  const authority = readAuthority(issuer);
  const { crypto, ...signing } = generatorParameters(issuer.signer);
  const crl = await X509CrlGenerator.create(
    {
      ...signing,
      issuer: authority.name,
      thisUpdate,
      nextUpdate,
      extensions: [new AuthorityKeyIdentifierExtension(authority.keyId), crlNumber(number)],
      entries: revoked.map(({ serialNumber, revokedAt, reason = 'unspecified' }) => ({
        serialNumber: positiveInteger(serialNumber),
        revocationDate: revokedAt,
        // 5.3.1: "unspecified" is said by leaving the reason out; so does the generator, which leaves out 0.
        reason: revocationReasons[reason],
      })),
    },
    crypto,
  );
  const der = Buffer.from(crl.rawData);
  if (!readCrl(der).isSignedBy(readPublicKey(issuer.signer.publicKey))) {
    throw new PkiError('PKI_SIGNER_FAILED', 'the signature over the new CRL does not verify');
  }
  return der;
}

/** A CRL as `checkCertificate` needs it. */
export interface Crl {
  /** DER of the issuer's name. */
  readonly issuer: Uint8Array;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date | undefined;
  /** Whether it says something critical that is not understood here (a delta CRL, or one for some reasons only). */
  readonly hasUnknownCritical: boolean;
  isSignedBy(key: KeyObject): boolean;
  /** `serialNumber`: hex. */
  isRevoked(serialNumber: string): boolean;
}

/** @throws PkiError PKI_MALFORMED for anything but one CRL in strict DER */
export function readCrl(der: Uint8Array): Crl {
  let crl: X509Crl;
  try {
    crl = new X509Crl(der);
    if (crl.rawData.byteLength !== der.length) throw new RangeError('trailing bytes');
  } catch {
    throw new PkiError('PKI_MALFORMED', `a CRL expected, ${der.length} other bytes came`);
  }
  return {
    issuer: new Uint8Array(crl.issuerName.toArrayBuffer()),
    thisUpdate: crl.thisUpdate,
    nextUpdate: crl.nextUpdate,
    hasUnknownCritical: crl.extensions.some(({ critical }) => critical),
    // `tbs`, the signed bytes as encoded, is private in the declarations only.
    isSignedBy: (key) => verify('sha256', Buffer.from(crl['tbs']), key, Buffer.from(crl.signature)),
    isRevoked: (serialNumber) => crl.findRevoked(positiveInteger(serialNumber)) !== null,
  };
}

/** CRL number, RFC 5280, 5.2.3: INTEGER. */
function crlNumber(number: number): Extension {
  const content = Buffer.from(positiveInteger(number.toString(16)), 'hex');
  return new Extension(
    '2.5.29.20',
    false,
    Buffer.concat([Buffer.of(0x02 /* INTEGER */, content.length), content]),
  );
}

/** Hex of a positive number with the leading zero byte that DER asks for when its top bit is set. */
function positiveInteger(hex: string): string {
  const even = hex.length % 2 === 0 ? hex : `0${hex}`;
  return Number.parseInt(even.slice(0, 2), 16) > 0x7f ? `00${even}` : even;
}
