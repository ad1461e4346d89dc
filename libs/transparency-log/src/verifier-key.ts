import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { TransparencyLogError } from './errors.ts';
import { decodeBase64, encodeBase64, encodeUtf8 } from './fields.ts';

/**
 * C2SP signed-note, "Signature types". ML-DSA-44 (0x06) has no place here before node:crypto has it; keys and
 * signatures of types that are not listed are unknown, and unknown signatures are ignored.
 */
export const signatureTypes = {
  /** Ed25519 over the note text. */
  ed25519: 0x01,
  /** ECDSA P-256 with SHA-256 over the note text, DER: what a payment HSM without Ed25519 can do. */
  'ecdsa-sha256': 0x02,
  /** Ed25519 over the note text and a time: C2SP tlog-cosignature. */
  'cosignature/v1': 0x04,
} as const satisfies Record<string, number>;
export type SignatureType = keyof typeof signatureTypes;

/** A key that verifies notes. C2SP signed-note, "Signatures". */
export interface VerifierKey {
  /** Not empty, without white space and `+`. */
  readonly name: string;
  /** 32 bits: tells keys apart, is no fingerprint. */
  readonly keyId: number;
  readonly type: SignatureType;
  /** Ed25519: 32 bytes. ECDSA: SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
}

const ed25519Bytes = 32;

/** A verifier key from its parts. @throws TLOG_MALFORMED (name or public key) */
export function verifierKey(name: string, type: SignatureType, publicKey: Uint8Array): VerifierKey {
  if (!isKeyName(name)) {
    throw new TransparencyLogError(
      'TLOG_MALFORMED',
      'key name: expected one or more characters, no white space and no +',
    );
  }
  const key = { name, keyId: keyIdOf(name, type, publicKey), type, publicKey };
  publicKeyObject(key);
  return key;
}

/** The text of a key, `name+hash+base64`. C2SP signed-note, "Verifier keys". */
export function formatVerifierKey({ name, keyId, type, publicKey }: VerifierKey): string {
  return `${name}+${hexOf(keyId)}+${encodeBase64(typedKey(type, publicKey))}`;
}

/** Reads the text of a key and recomputes its key id. @throws TLOG_MALFORMED */
export function parseVerifierKey(text: string): VerifierKey {
  const [, name, keyId, base64] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/su.exec(text) ?? [];
  if (name === undefined || keyId === undefined || base64 === undefined) {
    throw new TransparencyLogError('TLOG_MALFORMED', 'verifier key: expected name+hash+base64');
  }
  const bytes = decodeBase64(base64, 'verifier key');
  const types = Object.keys(signatureTypes) as SignatureType[];
  const type = types.find((candidate) => signatureTypes[candidate] === bytes[0]);
  if (type === undefined) {
    const known = Object.values(signatureTypes).join(', ');
    throw new TransparencyLogError(
      'TLOG_MALFORMED',
      `verifier key: expected a signature type of ${known}, got ${bytes[0]}`,
    );
  }
  const key = verifierKey(name, type, bytes.subarray(1));
  if (hexOf(key.keyId) !== keyId) {
    throw new TransparencyLogError(
      'TLOG_MALFORMED',
      `verifier key: its key id is ${hexOf(key.keyId)}, its text says ${keyId}`,
    );
  }
  return key;
}

/** The public key for node:crypto. @throws TLOG_MALFORMED */
export function publicKeyObject({ type, publicKey }: VerifierKey): KeyObject {
  if (type === 'ecdsa-sha256') return ecdsaKey(publicKey);
  if (publicKey.length !== ed25519Bytes) {
    throw new TransparencyLogError(
      'TLOG_MALFORMED',
      `Ed25519 public key: expected ${ed25519Bytes} bytes, got ${publicKey.length}`,
    );
  }
  const x = Buffer.from(publicKey).toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}

/** Names of keys: no white space, no `+`; nor what no note may contain. C2SP signed-note, "Format". */
export function isKeyName(name: string): boolean {
  return /^[^+\p{White_Space}\p{Cc}\p{Cs}]+$/u.test(name);
}

function ecdsaKey(spki: Uint8Array): KeyObject {
  try {
    const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
    if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key;
  } catch {
    // Refused below, like a key of another kind.
  }
  throw new TransparencyLogError(
    'TLOG_MALFORMED',
    `ECDSA public key: expected a P-256 SubjectPublicKeyInfo, got ${spki.length} other bytes`,
  );
}

/** SHA-256(name ‖ 0A ‖ type ‖ public key)[:4]; for type 0x02 SHA-256(public key)[:4]. C2SP signed-note. */
function keyIdOf(name: string, type: SignatureType, publicKey: Uint8Array): number {
  const digest = createHash('sha256');
  if (type === 'ecdsa-sha256') digest.update(publicKey);
  else digest.update(encodeUtf8(`${name}\n`)).update(typedKey(type, publicKey));
  return digest.digest().readUInt32BE();
}

function typedKey(type: SignatureType, publicKey: Uint8Array): Uint8Array {
  return Uint8Array.of(signatureTypes[type], ...publicKey);
}

function hexOf(keyId: number): string {
  return keyId.toString(16).padStart(8, '0');
}
