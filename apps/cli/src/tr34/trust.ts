import { type DialectName, dialects, type OutstandingNonces, rolePolicies, type Trust } from '@openkdh/tr34';
import { choice, ders, hex, optional, time } from '../members.ts';

/** The member that names the form to read a token by. */
export const dialectMember = optional(
  choice('form of the token (the one that fits)', Object.keys(dialects) as DialectName[]),
);

/** The members by which a sender is judged. */
export const trustMembers = {
  trustAnchors: ders('certificates that are trusted by themselves'),
  crl: optional(ders('CRL of the issuer; without any, revocation is not checked')),
  nonce: optional(hex('the nonce of the RT_KRD; without it freshness is not checked')),
  dialect: dialectMember,
  at: optional(time('the time to judge validity by (now)')),
};

export interface TrustValues {
  trustAnchors: Uint8Array[];
  crl: Uint8Array[] | undefined;
  at: Date | undefined;
}

/** What to judge certificates by. A role is told by purpose, or by common name where a certificate has no purpose. */
export function trustOf({ trustAnchors, crl, at }: TrustValues, intermediates: Uint8Array[]): Trust {
  return {
    anchors: trustAnchors,
    intermediates,
    rolePolicy: rolePolicies.purposeOrName,
    revocation: crl ? { crls: crl, whenAbsent: 'refuse' } : { whenAbsent: 'accept' },
    at: at ?? new Date(),
  };
}

/** The one nonce, or any where none is given. */
export function outstandingNonces(nonce: Uint8Array | undefined): OutstandingNonces {
  return { take: (taken) => nonce === undefined || Buffer.compare(taken, nonce) === 0 };
}
