import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { Refusal } from '../answer-codes.ts';
import { importRsaPrivateKey } from './rsa-private-key.ts';

/** Algorithm letter of a key block: R RSA, E elliptic curve. */
export type AsymmetricAlgorithm = 'R' | 'E';

/**
 * A private key out of its key block. RSA: the five INTEGERs of a payShield; EC: ECPrivateKey of SEC 1, which is our
 * choice, for the layout is not published. 49 for anything else.
 */
export function importPrivateKey(algorithm: AsymmetricAlgorithm, der: Uint8Array): KeyObject {
  if (algorithm === 'R') return importRsaPrivateKey(der);
  return importing('49', () => createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'sec1' }));
}

/** A public key out of its key block: PKCS#1 RSAPublicKey, or SubjectPublicKeyInfo of an EC key. 76 for anything else. */
export function importPublicKey(algorithm: AsymmetricAlgorithm, der: Uint8Array): KeyObject {
  const type = algorithm === 'R' ? 'pkcs1' : 'spki';
  return importing('76', () => createPublicKey({ key: Buffer.from(der), format: 'der', type }));
}

function importing(code: '49' | '76', action: () => KeyObject): KeyObject {
  try {
    return action();
  } catch {
    throw new Refusal(code, 'not a key of the algorithm that its key block says');
  }
}
