/**
 * What every adapter checks of a request before it sends anything. All throw HSM_BAD_REQUEST.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { HsmError } from './errors.ts';
import { type CertificateRequest, MAX_DATA_BYTES } from './hsm.ts';

/** Data of encrypt, decrypt and the MACs. */
export function requireData({ length }: Uint8Array): void {
  if (length < 1 || length > MAX_DATA_BYTES) {
    throw new HsmError('HSM_BAD_REQUEST', `data: expected 1 to ${MAX_DATA_BYTES} bytes, got ${length}`);
  }
}

export function requireMacLength(macBytes: number): void {
  if (macBytes !== 4 && macBytes !== 8) {
    throw new HsmError('HSM_BAD_REQUEST', `MAC: expected 4 or 8 bytes, got ${macBytes}`);
  }
}

/** `spki`: SubjectPublicKeyInfo, DER, of an RSA key or of one on P-256. */
export function requirePublicKey(spki: Uint8Array): KeyObject {
  const key = parsed(spki);
  const isEc = key?.asymmetricKeyDetails?.namedCurve === 'prime256v1';
  if (key === undefined || (key.asymmetricKeyType !== 'rsa' && !isEc)) {
    throw new HsmError('HSM_BAD_REQUEST', `public key: expected RSA or P-256, got ${spki.length} bytes`);
  }
  return key;
}

function parsed(spki: Uint8Array): KeyObject | undefined {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch {
    return undefined;
  }
}

export function requireSubject(subject: CertificateRequest['subject']): void {
  for (const [part, text] of Object.entries(subject)) {
    if (!/^[\x20-\x3a\x3c-\x7e]{1,64}$/.test(text) || (part === 'country' && !/^[A-Z]{2}$/.test(text))) {
      throw new HsmError('HSM_BAD_REQUEST', `subject: ${part}: expected printable ASCII without a semicolon`);
    }
  }
}
