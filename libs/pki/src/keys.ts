import { createHash, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { PkiError } from './errors.ts';
import type { KeyKind } from './purposes.ts';

const curves: Record<string, KeyKind> = { prime256v1: 'P-256', secp384r1: 'P-384' };

/**
 * Kind of a key.
 * @throws PkiError PKI_KEY_REFUSED for RSA under 2048 or over 4096 bits or with a small exponent, for other curves and
 * other algorithms
 */
export function keyKind(key: KeyObject): KeyKind {
  const { modulusLength = 0, publicExponent = 0n, namedCurve = 'none' } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'rsa':
      if (modulusLength < 2048 || modulusLength > 4096) {
        throw new PkiError('PKI_KEY_REFUSED', `RSA of 2048 to 4096 bits expected, ${modulusLength} came`);
      }
      if (publicExponent < 65537n) {
        throw new PkiError('PKI_KEY_REFUSED', 'RSA with a public exponent of 65537 or more expected');
      }
      return 'RSA';
    case 'ec': {
      const kind = curves[namedCurve];
      if (!kind) throw new PkiError('PKI_KEY_REFUSED', `curve P-256 or P-384 expected, ${namedCurve} came`);
      return kind;
    }
    default:
      throw new PkiError('PKI_KEY_REFUSED', `RSA or EC key expected, ${key.asymmetricKeyType} came`);
  }
}

/** @throws PkiError PKI_KEY_REFUSED */
export function refuseKeyKind(kind: KeyKind, allowed: readonly KeyKind[]): void {
  if (!allowed.includes(kind)) {
    throw new PkiError('PKI_KEY_REFUSED', `a key of kind ${allowed.join(' or ')} expected, ${kind} came`);
  }
}

/**
 * A public key from its SubjectPublicKeyInfo, DER.
 * @throws PkiError PKI_MALFORMED
 */
export function readPublicKey(spki: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch {
    throw new PkiError('PKI_MALFORMED', `a SubjectPublicKeyInfo expected, ${spki.length} other bytes came`);
  }
}

/**
 * SubjectPublicKeyInfo in its one canonical form (uncompressed point, no explicit curve parameters), DER: so that one
 * key cannot pass for two.
 */
export function canonicalSpki(key: KeyObject): Uint8Array {
  const jwk = createPublicKey({ key: key.export({ format: 'jwk' }), format: 'jwk' });
  return jwk.export({ type: 'spki', format: 'der' });
}

/** SHA-256 of a SubjectPublicKeyInfo, 64 hex digits: names a key, whatever certificate it is in. */
export function spkiFingerprint(spki: Uint8Array): string {
  return createHash('sha256').update(spki).digest('hex').toUpperCase();
}

/**
 * A P-256 key pair for TLS: private key as PKCS#8 PEM (what `node:tls` takes), public key as SubjectPublicKeyInfo DER.
 * TLS keys protect the transport and are not payment keys; those live in the HSM only.
 */
export function createTlsKey(): { privateKey: string; publicKey: Uint8Array } {
  return generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'der' },
  });
}
