/**
 * The KRD: opens what the bound KDH, or the CA of the KRDs, sends. TR-34:2019, B.8 to B.14.
 *
 * The order is the same for every token: who signed it, is the signature right, may they still, is it for us, is it
 * fresh; and only then does a private key touch it.
 */
import { type BindingToken, readBindingToken } from './binding-tokens.ts';
import { identifierOf, parseCertificate } from './certificate.ts';
import { equalBytes } from './der.ts';
import { type Deviation, type DialectName, Reading } from './dialects.ts';
import { decryptContent, unwrapFailed } from './envelope.ts';
import { contentCiphers, type EnvelopedData } from './enveloped-data.ts';
import { Tr34Error } from './errors.ts';
import { type KeyAttributes, keyAttributes, requireKeyLength } from './header.ts';
import { type KeyBlock, parseKeyBlock } from './key-block.ts';
import { type KeyToken, readKeyToken } from './key-token.ts';
import { type SignedData, verifySignedBy } from './signed-data.ts';
import { checkCertificate, checkKrdCa, type Trust, type TrustedCertificate } from './trust.ts';

/** The private key of a KRD. It may live in hardware. */
export interface KeyDecryptor {
  /**
   * RSAES-OAEP (SHA-256, MGF1-SHA-256, empty label). The content key that it returns is wiped by `openKeyToken`.
   * @throws TR34_UNWRAP_FAILED when it does not decrypt; what else it throws is passed on
   */
  decrypt(encryptedKey: Uint8Array): Promise<Uint8Array>;
}

/** The nonces that a KRD has sent in an RT_KRD and that no token has used. The store is the caller's. */
export interface OutstandingNonces {
  /** True once for each nonce: what was taken is no longer outstanding, even if the token is refused afterwards. */
  take(nonce: Uint8Array): boolean | Promise<boolean>;
}

/** A KRD that is bound to a KDH. Certificates are DER. */
export interface BoundKrd {
  /** Its own. */
  readonly certificate: Uint8Array;
  /** Of the one KDH that it is bound to: see `acceptKdhCredential`. */
  readonly kdhCertificate: Uint8Array;
  readonly trust: Trust;
  /** The one to read by; left out: any of `strict`, `annex-b-2019`, `aws`. */
  readonly dialect?: DialectName;
}

/** What a key token must prove to be fresh. */
export type ExpectedFreshness =
  /** Two-pass. */
  | { readonly nonces: OutstandingNonces }
  /** One-pass: signed after the last token taken, and not later than the clock allows. Both bounds in full seconds. */
  | { readonly signedAfter: Date; readonly signedUntil: Date }
  /** For a tool that opens a token long after; says so to its user. */
  | 'unchecked';

/** What every opened token tells. */
export interface Opened extends Omit<TrustedCertificate, 'certificate'> {
  readonly signingTime: Date | undefined;
  /** The first dialect that fits. */
  readonly dialect: DialectName;
  readonly deviations: readonly Deviation[];
}

export interface OpenedKey extends Opened, KeyAttributes {
  /** In clear; the caller's to wipe. */
  readonly key: Uint8Array;
  /** As signed and as in the key block. */
  readonly header: string;
}

export interface OpenedRebind extends Opened {
  /** The KDH to be bound to from here on. */
  readonly newKdh: TrustedCertificate;
}

/**
 * Opens a KT_KDH. Called by the KRD.
 * @throws TR34_MALFORMED, TR34_DIALECT, TR34_ALGORITHM_UNSUPPORTED; TR34_SIGNER_UNKNOWN, TR34_CERTIFICATE_*,
 *   TR34_CRL_* for the KDH; TR34_SIGNATURE_INVALID; TR34_RECIPIENT_OTHER; TR34_NONCE_REFUSED or TR34_TIME_REFUSED;
 *   TR34_UNWRAP_FAILED; TR34_HEADER_MISMATCH, TR34_KEY_BLOCK_SIGNER, TR34_KEY_LENGTH
 */
export async function openKeyToken(
  token: Uint8Array,
  krd: BoundKrd,
  decryptor: KeyDecryptor,
  freshness: ExpectedFreshness,
): Promise<OpenedKey> {
  const reading = new Reading(krd.dialect);
  const keyToken = readKeyToken(token, reading);
  const opened = verifyKdh(keyToken, krd, reading);
  const own = identifierOf(parseCertificate(krd.certificate));
  if (!equalBytes(keyToken.envelopedData.recipient, own)) {
    throw new Tr34Error('TR34_RECIPIENT_OTHER', 'expected a token for this KRD, got one for another');
  }
  await requireFresh(keyToken, freshness);
  const contentKey = await decryptor.decrypt(keyToken.envelopedData.encryptedKey);
  try {
    const key = unwrapKey(keyToken, contentKey, reading);
    const { header } = keyToken;
    return { key, header, ...keyAttributes(header), ...opened, ...outcome(keyToken, reading) };
  } finally {
    contentKey.fill(0);
  }
}

/** The key, once the block around it is what was signed. */
function unwrapKey(
  { envelopedData, header, signer }: KeyToken,
  contentKey: Uint8Array,
  reading: Reading,
): Uint8Array {
  const plaintext = decryptContent(envelopedData, contentKey);
  try {
    const block = readKeyBlock(plaintext, envelopedData, reading);
    if (block.header !== header) {
      throw new Tr34Error(
        'TR34_HEADER_MISMATCH',
        'expected the header that was signed in the key block, got another',
      );
    }
    if (!equalBytes(block.kdh, signer)) {
      throw new Tr34Error('TR34_KEY_BLOCK_SIGNER', 'expected the signer in the key block, got another KDH');
    }
    requireKeyLength(block.key, header);
    return Uint8Array.from(block.key);
  } finally {
    plaintext.fill(0);
  }
}

function readKeyBlock(plaintext: Uint8Array, { cipher }: EnvelopedData, reading: Reading): KeyBlock {
  try {
    return parseKeyBlock(plaintext, contentCiphers[cipher].blockLength, reading);
  } catch (error) {
    throw error instanceof Tr34Error && error.code === 'TR34_DIALECT' ? error : unwrapFailed();
  }
}

/**
 * Opens a UBT_KDH. Called by the KRD, which is unbound afterwards and erases the keys of this KDH.
 * @throws as `openKeyToken` up to the nonce; TR34_IDENTIFIER_OTHER
 */
export async function openUnbindToken(
  token: Uint8Array,
  krd: BoundKrd,
  nonces: OutstandingNonces,
): Promise<Opened> {
  const reading = new Reading(krd.dialect);
  const unbind = readBindingToken(token, reading);
  const opened = verifyKdh(unbind, krd, reading);
  requireNamed(unbind, krd, { kdh: false, rebind: false });
  await requireFresh(unbind, { nonces });
  return { ...opened, ...outcome(unbind, reading) };
}

/**
 * Opens an RBT_KDH and judges the new KDH. Called by the KRD, which is bound to the new one afterwards.
 * @throws as `openUnbindToken`, and TR34_CERTIFICATE_*, TR34_CRL_* for the new KDH
 */
export async function openRebindToken(
  token: Uint8Array,
  krd: BoundKrd,
  nonces: OutstandingNonces,
): Promise<OpenedRebind> {
  const reading = new Reading(krd.dialect);
  const rebind = readBindingToken(token, reading);
  const opened = verifyKdh(rebind, krd, reading);
  const newKdhCertificate = requireNamed(rebind, krd, { kdh: false, rebind: true });
  const newKdh = checkNewKdh(newKdhCertificate, rebind.signedData, krd.trust);
  await requireFresh(rebind, { nonces });
  return { newKdh, ...opened, ...outcome(rebind, reading) };
}

/**
 * Opens a UBT_CA. Called by the KRD. No nonce keeps it from being sent twice: what does is that it names the bound KDH.
 * @param caCertificate of the CA of the KRDs, DER
 * @throws TR34_MALFORMED, TR34_DIALECT; TR34_SIGNER_UNKNOWN, TR34_CERTIFICATE_*, TR34_CRL_* for the CA;
 *   TR34_SIGNATURE_INVALID; TR34_IDENTIFIER_OTHER
 */
export function openCaUnbindToken(token: Uint8Array, krd: BoundKrd, caCertificate: Uint8Array): Opened {
  const reading = new Reading(krd.dialect);
  const unbind = readBindingToken(token, reading);
  const opened = verifyCa(unbind, krd, caCertificate, reading);
  requireNamed(unbind, krd, { kdh: true, rebind: false });
  return { ...opened, ...outcome(unbind, reading) };
}

/**
 * Opens an RBT_CA and judges the new KDH. Called by the KRD.
 * @throws as `openCaUnbindToken`, and TR34_CERTIFICATE_*, TR34_CRL_* for the new KDH
 */
export function openCaRebindToken(token: Uint8Array, krd: BoundKrd, caCertificate: Uint8Array): OpenedRebind {
  const reading = new Reading(krd.dialect);
  const rebind = readBindingToken(token, reading);
  const opened = verifyCa(rebind, krd, caCertificate, reading);
  const newKdhCertificate = requireNamed(rebind, krd, { kdh: true, rebind: true });
  const newKdh = checkNewKdh(newKdhCertificate, rebind.signedData, krd.trust);
  return { newKdh, ...opened, ...outcome(rebind, reading) };
}

/** The members that key tokens and binding tokens share. */
type SignedToken = Pick<KeyToken, 'signedData' | 'nonce' | 'signingTime'>;

function verifyKdh({ signedData }: SignedToken, { kdhCertificate, trust }: BoundKrd, reading: Reading) {
  verifySignedBy(signedData, parseCertificate(kdhCertificate), reading);
  return trusted(checkCertificate(kdhCertificate, 'KDH', trust, signedData));
}

function verifyCa(
  { signedData }: SignedToken,
  { certificate, trust }: BoundKrd,
  ca: Uint8Array,
  reading: Reading,
) {
  verifySignedBy(signedData, parseCertificate(ca), reading);
  return trusted(checkKrdCa(ca, parseCertificate(certificate), trust, signedData));
}

const trusted = ({ crlsSeen, revocationChecked }: TrustedCertificate) => ({ crlsSeen, revocationChecked });

const outcome = ({ signingTime }: SignedToken, { dialect, deviations }: Reading) => ({
  signingTime,
  dialect,
  deviations,
});

async function requireFresh(
  { nonce, signingTime }: SignedToken,
  freshness: ExpectedFreshness,
): Promise<void> {
  if (freshness === 'unchecked') return;
  if ('nonces' in freshness) {
    if (!nonce) throw new Tr34Error('TR34_NONCE_REFUSED', 'expected the outstanding nonce, got none');
    if (await freshness.nonces.take(nonce)) return;
    throw new Tr34Error('TR34_NONCE_REFUSED', 'expected the outstanding nonce, got another or a used one');
  }
  if (nonce) throw new Tr34Error('TR34_NONCE_REFUSED', 'expected a one-pass token, got one with a nonce');
  const { signedAfter, signedUntil } = freshness;
  if (!signingTime || signingTime <= signedAfter || signingTime > signedUntil) {
    const window = `after ${signedAfter.toISOString()} until ${signedUntil.toISOString()}`;
    const came = signingTime?.toISOString() ?? 'none';
    throw new Tr34Error('TR34_TIME_REFUSED', `expected a signing time ${window}, got ${came}`);
  }
}

/** The token names this KRD, and the bound KDH where a higher authority says it; a rebind brings a certificate. */
function requireNamed(token: BindingToken, krd: BoundKrd, has: { kdh: boolean; rebind: true }): Uint8Array;
function requireNamed(token: BindingToken, krd: BoundKrd, has: { kdh: boolean; rebind: false }): undefined;
function requireNamed(token: BindingToken, krd: BoundKrd, has: { kdh: boolean; rebind: boolean }) {
  if ((token.kdh !== undefined) !== has.kdh || (token.newKdhCertificate !== undefined) !== has.rebind) {
    const kind = `${has.rebind ? 'a rebind' : 'an unbind'} by ${has.kdh ? 'the CA' : 'the KDH'}`;
    throw new Tr34Error('TR34_MALFORMED', `expected ${kind}, got another token`);
  }
  const names = (identifier: Uint8Array, certificate: Uint8Array) =>
    equalBytes(identifier, identifierOf(parseCertificate(certificate)));
  if (!names(token.krd, krd.certificate) || (token.kdh && !names(token.kdh, krd.kdhCertificate))) {
    throw new Tr34Error('TR34_IDENTIFIER_OTHER', 'expected this KRD and its KDH to be named, got others');
  }
  return token.newKdhCertificate;
}

/** The CRL in a rebind is that of the old KDH's CA; it serves for the new one if that has the same CA. */
function checkNewKdh(certificate: Uint8Array, { crls }: SignedData, trust: Trust): TrustedCertificate {
  const known = trust.revocation.crls ?? [];
  return checkCertificate(certificate, 'KDH', {
    ...trust,
    revocation: { ...trust.revocation, crls: [...known, ...crls] },
  });
}
