import type { KeyObject } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import { CertificateList, RevokedCertificate, TBSCertList, Time, Version } from '@peculiar/asn1-x509';
import { authorityOf, type Issuer } from './authority.ts';
import { parseDer } from './der.ts';
import { authorityKeyIdentifier, crlNumber, crlReason } from './extensions.ts';
import { isSignedBy, signatureAlgorithm, signVerified } from './signer.ts';

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

export interface RevokedEntry {
  /** Hex, as `readCertificate` tells it. */
  readonly serialNumber: string;
  readonly revokedAt: Date;
  readonly reason?: RevocationReason;
}

export interface CrlRequest {
  readonly issuer: Issuer;
  /** Greater than that of the issuer's last CRL. RFC 5280, 5.2.3. */
  readonly number: number;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
  readonly revoked: readonly RevokedEntry[];
}

/**
 * A complete CRL of version 2, DER.
 * @throws PkiError PKI_ISSUER_REFUSED, PKI_SIGNER_FAILED; what the signer throws passes through
 */
export async function issueCrl(request: CrlRequest): Promise<Uint8Array> {
  const { signer } = request.issuer;
  const authority = authorityOf(request.issuer);
  const algorithm = signatureAlgorithm(signer);
  const tbsCertList = new TBSCertList({
    version: Version.v2,
    signature: algorithm,
    issuer: authority.name,
    thisUpdate: new Time(request.thisUpdate),
    nextUpdate: new Time(request.nextUpdate),
    // An empty list is left out: RFC 5280, 5.1.2.6.
    ...(request.revoked.length > 0 && { revokedCertificates: request.revoked.map(revokedCertificate) }),
    crlExtensions: [authorityKeyIdentifier(authority.keyId), crlNumber(request.number)],
  });
  const signature = await signVerified(signer, AsnConvert.serialize(tbsCertList));
  const crl = new CertificateList({ tbsCertList, signatureAlgorithm: algorithm, signature });
  return new Uint8Array(AsnConvert.serialize(crl));
}

function revokedCertificate({
  serialNumber,
  revokedAt,
  reason = 'unspecified',
}: RevokedEntry): RevokedCertificate {
  return new RevokedCertificate({
    userCertificate: integerContent(serialNumber),
    revocationDate: new Time(revokedAt),
    // "unspecified" is said by leaving the reason out: RFC 5280, 5.3.1.
    ...(reason !== 'unspecified' && { crlEntryExtensions: [crlReason(revocationReasons[reason])] }),
  });
}

/** A CRL as `checkCertificate` needs it. */
export interface Crl {
  /** DER of the issuer's name. */
  readonly issuer: ArrayBuffer;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date | undefined;
  /** It says something critical that is not understood here: a delta CRL, or one for some reasons only. */
  readonly hasUnknownCritical: boolean;
  isSignedBy(key: KeyObject): boolean;
  /** `serialNumber`: hex. */
  isRevoked(serialNumber: string): boolean;
}

/** @throws PkiError PKI_MALFORMED for anything but one CRL, DER */
export function readCrl(der: Uint8Array): Crl {
  const { tbsCertList, tbsCertListRaw, signatureAlgorithm, signature } = parseDer(
    der,
    CertificateList,
    'a CRL',
  );
  const { revokedCertificates = [], crlExtensions = [] } = tbsCertList;
  const entryExtensions = revokedCertificates.flatMap(({ crlEntryExtensions = [] }) => crlEntryExtensions);
  return {
    issuer: AsnConvert.serialize(tbsCertList.issuer),
    thisUpdate: tbsCertList.thisUpdate.getTime(),
    nextUpdate: tbsCertList.nextUpdate?.getTime(),
    hasUnknownCritical: [...crlExtensions, ...entryExtensions].some(({ critical }) => critical),
    isSignedBy: (key) => isSignedBy(key, signatureAlgorithm, tbsCertListRaw!, new Uint8Array(signature)),
    isRevoked: (serialNumber) => {
      const wanted = Buffer.from(integerContent(serialNumber));
      return revokedCertificates.some(({ userCertificate }) =>
        wanted.equals(new Uint8Array(userCertificate)),
      );
    },
  };
}

/** Content of the DER INTEGER with this hex: a zero byte in front when the top bit is set. */
function integerContent(hex: string): ArrayBuffer {
  const digits = hex.length % 2 === 0 ? hex : `0${hex}`;
  const positive = Number.parseInt(digits.slice(0, 2), 16) > 0x7f ? `00${digits}` : digits;
  return new Uint8Array(Buffer.from(positive, 'hex')).buffer;
}
