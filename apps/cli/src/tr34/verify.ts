import {
  type AcceptedCredential,
  acceptKdhCredential,
  acceptKrdCredential,
  type BoundKrd,
  checkCertificate,
  type DialectName,
  describeToken,
  issuerAndSerialNumber,
  type OpenedRebind,
  openCaRebindToken,
  openCaUnbindToken,
  openRebindToken,
  openUnbindToken,
  parseKeyToken,
  type TokenKind,
  Tr34Error,
  type Trust,
  verifyToken,
} from '@openkdh/tr34';
import { defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { der, ders, optional } from '../members.ts';
import { outstandingNonces, trustMembers, trustOf } from './trust.ts';

/** Verifies a token as its receiver would, without a private key. */
export const verify = defineCommand({
  name: 'tr34 verify',
  summary: 'Verifies a token of any kind: signature, trust in the sender, and whom it is for. Opens nothing.',
  members: {
    token: der('the token'),
    senderCertificate: optional(ders('certificate of the signer, then those of CAs up to an anchor')),
    recipientCertificate: optional(der('certificate of the KRD that the token is for')),
    kdhCertificate: optional(der('of the KDH that the KRD is bound to, for the tokens of a CA')),
    ...trustMembers,
  },
  positional: 'token',
  run: async ({
    token,
    senderCertificate,
    recipientCertificate,
    kdhCertificate,
    nonce,
    dialect,
    ...judged
  }) => {
    const { kind, dialect: fits, deviations } = describeToken(token, dialect);
    const [sender, ...intermediates] = senderCertificate ?? [];
    const trust = trustOf(judged, intermediates);
    const { revocationChecked } = await verifiers[kind]({
      kind,
      token,
      sender,
      recipientCertificate,
      kdhCertificate,
      trust,
      nonce,
      dialect,
    });
    const nonceChecked = nonce !== undefined && kindsWithNonce.includes(kind);
    return { kind, dialect: fits, deviations, revocationChecked, nonceChecked };
  },
});

const kindsWithNonce: readonly TokenKind[] = ['KT_KDH', 'UBT_KDH', 'RBT_KDH'];

interface Verification {
  kind: TokenKind;
  token: Uint8Array;
  sender: Uint8Array | undefined;
  recipientCertificate: Uint8Array | undefined;
  kdhCertificate: Uint8Array | undefined;
  trust: Trust;
  nonce: Uint8Array | undefined;
  dialect: DialectName | undefined;
}

interface Verified {
  revocationChecked: boolean;
}

/** How each kind is verified. A rebind is, if both the signer and the new KDH are trusted. */
const verifiers: Record<TokenKind, (of: Verification) => Verified | Promise<Verified>> = {
  RT_KRD: ({ kind }) => {
    throw new CliError(
      'CLI_TOKEN_UNSIGNED',
      `${kind}: expected a signed token, got a nonce, which nobody signs`,
    );
  },
  CT_KRD: ({ token, trust, dialect, sender }) => shownBy(sender, acceptKrdCredential(token, trust, dialect)),
  CT_KDH: ({ token, trust, dialect, sender }) => shownBy(sender, acceptKdhCredential(token, trust, dialect)),
  KT_KDH: verifyKeyToken,
  UBT_KDH: (of) => openUnbindToken(of.token, krdOf(of, 'sender'), outstandingNonces(of.nonce)),
  RBT_KDH: async (of) =>
    bothChecked(await openRebindToken(of.token, krdOf(of, 'sender'), outstandingNonces(of.nonce))),
  UBT_CA: (of) => openCaUnbindToken(of.token, krdOf(of, 'kdhCertificate'), needed(of, 'sender')),
  RBT_CA: (of) => bothChecked(openCaRebindToken(of.token, krdOf(of, 'kdhCertificate'), needed(of, 'sender'))),
};

/** A credential token carries the certificate of its sender; one that was given must be the same. */
function shownBy(sender: Uint8Array | undefined, accepted: AcceptedCredential): Verified {
  if (sender && Buffer.compare(sender, accepted.certificate.der) !== 0) {
    throw new Tr34Error('TR34_SIGNER_UNKNOWN', 'expected the certificate of the sender, got another');
  }
  return accepted;
}

/** All that `openKeyToken` does before it uses the private key. */
function verifyKeyToken(of: Verification): Verified {
  const { token, trust, nonce, dialect } = of;
  const sender = needed(of, 'sender');
  const recipient = issuerAndSerialNumber(needed(of, 'recipientCertificate'));
  verifyToken(token, sender, dialect);
  const { signedData, envelopedData, nonce: signedNonce } = parseKeyToken(token, dialect);
  const trusted = checkCertificate(sender, 'KDH', trust, signedData);
  if (Buffer.compare(envelopedData.recipient, recipient) !== 0) {
    throw new Tr34Error('TR34_RECIPIENT_OTHER', 'expected a token for this KRD, got one for another');
  }
  if (nonce && !(signedNonce && Buffer.compare(signedNonce, nonce) === 0)) {
    throw new Tr34Error('TR34_NONCE_REFUSED', 'expected the given nonce, got another or none');
  }
  return trusted;
}

function krdOf(of: Verification, kdh: 'sender' | 'kdhCertificate'): BoundKrd {
  const { trust, dialect } = of;
  return {
    certificate: needed(of, 'recipientCertificate'),
    kdhCertificate: needed(of, kdh),
    trust,
    ...(dialect && { dialect }),
  };
}

function bothChecked({ revocationChecked, newKdh }: OpenedRebind): Verified {
  return { revocationChecked: revocationChecked && newKdh.revocationChecked };
}

function needed(of: Verification, name: 'sender' | 'recipientCertificate' | 'kdhCertificate'): Uint8Array {
  const value = of[name];
  if (value) return value;
  const member = name === 'sender' ? 'senderCertificate' : name;
  throw new CliError('CLI_MEMBER_MISSING', `${member} is missing, and needed for a ${of.kind}`);
}
