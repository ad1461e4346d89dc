import { equalConstantTime, wipe } from '@openkdh/block-ciphers';
import { fingerprint } from '@openkdh/pki';
import { kbpkSlots, ProtocolError, type ProtocolErrorCode } from '@openkdh/terminal-protocol';
import {
  acceptKdhCredential,
  buildKrdCredentialToken,
  type CrlSeen,
  localDecryptor,
  type OpenedKey,
  openKeyToken,
  Tr34Error,
  type Tr34ErrorCode,
  type Trust,
} from '@openkdh/tr34';
import { certificateDer, encryptionKey } from './identity.ts';
import { checkValue, keyAlgorithmOf } from './key-algorithm.ts';
import type { BoundKdh, KbpkSlot, TerminalRecord } from './record.ts';

/** The TR-34 side of a terminal: it is a KRD. */

/** CT_KRD of an enrolled terminal, DER. */
export function terminalCredential({ enrolment }: TerminalRecord): Uint8Array {
  return buildKrdCredentialToken(certificateDer(enrolment!.certificates.encryption));
}

/** SHA-256 of the terminal's TR-34 certificate, 64 hex digits. */
export function krdFingerprint({ enrolment }: TerminalRecord): string {
  return fingerprint(enrolment!.certificates.encryption);
}

/**
 * The KDH that shows its credential in a CT_KDH: chain to the trust anchor, role, validity, CRL.
 * @throws ProtocolError BAD_TOKEN, CRL_STALE
 */
export function openCredential(token: Uint8Array, record: TerminalRecord, now: Date): BoundKdh {
  try {
    const { token: credential, crlsSeen } = acceptKdhCredential(token, trustOf(record, now));
    const certificate = Uint8Array.from(credential.certificate);
    return { certificate, fingerprint: fingerprint(certificate), crlsSeen: newest([], crlsSeen) };
  } catch (error) {
    throw asProtocolError(error);
  }
}

/** A KBPK from a key token, the slot that it belongs to, and the KDH with the CRLs that came along. */
export type OpenedKbpk = Pick<KbpkSlot, 'usage' | 'algorithm' | 'kcv' | 'key'> & {
  readonly slot: (typeof kbpkSlots)[keyof typeof kbpkSlots];
  readonly boundKdh: BoundKdh;
};

/** The nonce that is outstanding, until a token takes it. */
export class OutstandingNonce {
  #nonce: Uint8Array | undefined;

  constructor(nonce: Uint8Array | undefined) {
    this.#nonce = nonce;
  }

  /** Undefined once a token has shown it, whatever else that token was. */
  get left(): Uint8Array | undefined {
    return this.#nonce;
  }

  take(nonce: Uint8Array): boolean {
    if (!this.#nonce || nonce.length !== this.#nonce.length || !equalConstantTime(nonce, this.#nonce))
      return false;
    this.#nonce = undefined;
    return true;
  }
}

/**
 * Opens a KT_KDH of the bound KDH.
 * @param announced check value that the KDH announced
 * @throws ProtocolError BAD_TOKEN, REPLAY, CRL_STALE, BOUND_TO_OTHER_KDH, KEYBLOCK_ATTR, KCV_MISMATCH
 */
export async function openKbpk(
  token: Uint8Array,
  announced: string,
  record: TerminalRecord,
  nonce: OutstandingNonce,
  now: Date,
): Promise<OpenedKbpk> {
  const kdh = record.boundKdh!;
  const krd = {
    certificate: certificateDer(record.enrolment!.certificates.encryption),
    kdhCertificate: kdh.certificate,
    trust: trustOf(record, now, kdh.crlsSeen),
  };
  const decryptor = localDecryptor(encryptionKey(record.identity));
  const opened = await openKeyToken(token, krd, decryptor, { nonces: nonce }).catch((error) => {
    throw asProtocolError(error);
  });
  try {
    return {
      ...kbpkOf(opened, announced),
      boundKdh: { ...kdh, crlsSeen: newest(kdh.crlsSeen, opened.crlsSeen) },
    };
  } catch (error) {
    wipe(opened.key);
    throw error;
  }
}

function kbpkOf({ key, usage, algorithm, modeOfUse }: OpenedKey, announced: string) {
  const name = keyAlgorithmOf(algorithm, key.length);
  // ANSI X9.143:2021, 6.3.1 and 6.3.3: a key block protection key that unwraps, or does both.
  if (usage !== 'K1' || !['B', 'D'].includes(modeOfUse) || !name || name === 'T2') {
    throw new ProtocolError('KEYBLOCK_ATTR', `a KBPK expected, ${usage} ${algorithm} ${modeOfUse} came`);
  }
  const kcv = checkValue(name, key, announced);
  if (kcv !== announced) throw new ProtocolError('KCV_MISMATCH', 'the KBPK is not the announced one');
  const slot = algorithm === 'A' ? kbpkSlots.AES : kbpkSlots.TDES;
  return { slot, usage: 'K1' as const, algorithm: name, kcv, key };
}

function trustOf({ enrolment }: TerminalRecord, at: Date, lastSeen: readonly CrlSeen[] = []): Trust {
  const anchors = [certificateDer(enrolment!.kdhTrustAnchor)];
  return { anchors, revocation: { lastSeen, whenAbsent: 'refuse' }, at };
}

/** The CRLs seen last, one for each issuer. Copies: what a token is read into are views, which would keep all of it. */
function newest(before: readonly CrlSeen[], now: readonly CrlSeen[]): CrlSeen[] {
  const replaced = (one: CrlSeen) => now.some(({ issuer }) => Buffer.compare(issuer, one.issuer) === 0);
  const copies = now.map((one) => ({ ...one, issuer: Uint8Array.from(one.issuer) }));
  return [...before.filter((one) => !replaced(one)), ...copies];
}

/** What the KDH is told of a token; everything else is BAD_TOKEN. */
const tokenCodes: Partial<Record<Tr34ErrorCode, ProtocolErrorCode>> = {
  TR34_SIGNER_UNKNOWN: 'BOUND_TO_OTHER_KDH',
  TR34_NONCE_REFUSED: 'REPLAY',
  TR34_CRL_ABSENT: 'CRL_STALE',
  TR34_CRL_STALE: 'CRL_STALE',
  TR34_CRL_OLDER: 'CRL_STALE',
};

function asProtocolError(error: unknown): unknown {
  if (!(error instanceof Tr34Error)) return error;
  return new ProtocolError(tokenCodes[error.code] ?? 'BAD_TOKEN', error.code);
}
