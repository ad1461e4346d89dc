import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { AlgorithmIdentifier } from '@peculiar/asn1-x509';
import { PkiError } from './errors.ts';
import { keyKind, readPublicKey } from './keys.ts';
import type { KeyKind } from './purposes.ts';

/** A private key that signs certificates, CRLs and requests, wherever it lives: in an HSM or in this process. */
export interface CertificateSigner {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  /** RSA: RSASSA-PKCS1-v1_5 with SHA-256. P-256: ECDSA with SHA-256, P-384: ECDSA with SHA-384, both as DER. */
  sign(tbs: Uint8Array): Promise<Uint8Array>;
}

/** How a key of each kind signs: RFC 4055, 5 and RFC 5758, 3.2. */
const signatures: Record<KeyKind, { hash: string; algorithm: AlgorithmIdentifier }> = {
  RSA: {
    hash: 'sha256',
    algorithm: new AlgorithmIdentifier({ algorithm: '1.2.840.113549.1.1.11', parameters: null }),
  },
  'P-256': { hash: 'sha256', algorithm: new AlgorithmIdentifier({ algorithm: '1.2.840.10045.4.3.2' }) },
  'P-384': { hash: 'sha384', algorithm: new AlgorithmIdentifier({ algorithm: '1.2.840.10045.4.3.3' }) },
};

/** A signer whose private key is in this process: for terminals, for TLS between our own processes, and for tests. */
export function localSigner(privateKey: KeyObject): CertificateSigner {
  const { hash } = signatures[keyKind(privateKey)];
  return {
    publicKey: createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
    sign: async (tbs) => sign(hash, tbs, privateKey),
  };
}

const signerKeys = new WeakMap<CertificateSigner, KeyObject>();

/** The public key of a signer, read once: OpenSSL takes longer for that than for a verification. @throws PkiError PKI_MALFORMED */
export function signerKey(signer: CertificateSigner): KeyObject {
  const key = signerKeys.get(signer) ?? readPublicKey(signer.publicKey);
  signerKeys.set(signer, key);
  return key;
}

/** The algorithm that a signer signs with. @throws PkiError PKI_MALFORMED, PKI_KEY_REFUSED */
export function signatureAlgorithm(signer: CertificateSigner): AlgorithmIdentifier {
  return signatures[keyKind(signerKey(signer))].algorithm;
}

/**
 * The signature over `tbs`, DER. The signer can be an HSM at the end of a wire: its answer counts when it verifies.
 * @throws PkiError PKI_SIGNER_FAILED; what the signer throws passes through
 */
export async function signVerified(signer: CertificateSigner, tbs: ArrayBuffer): Promise<ArrayBuffer> {
  const signature = await signer.sign(new Uint8Array(tbs));
  if (!isSignedBy(signerKey(signer), signatureAlgorithm(signer), tbs, signature)) {
    throw new PkiError(
      'PKI_SIGNER_FAILED',
      'the new signature does not verify under the public key of its signer',
    );
  }
  return new Uint8Array(signature).buffer;
}

/** Whether `key` made the signature, with the one algorithm that a key of its kind signs with. */
export function isSignedBy(
  key: KeyObject,
  algorithm: AlgorithmIdentifier,
  tbs: ArrayBuffer,
  signature: Uint8Array,
): boolean {
  const expected = signatures[keyKind(key)];
  return (
    algorithm.algorithm === expected.algorithm.algorithm &&
    verify(expected.hash, Buffer.from(tbs), key, signature)
  );
}
