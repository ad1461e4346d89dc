import { createPublicKey, type KeyObject, sign } from 'node:crypto';
import { keyKind, readPublicKey } from './keys.ts';
import type { KeyKind } from './purposes.ts';

/** A private key that signs certificates, CRLs and requests, wherever it lives: in an HSM or in this process. */
export interface CertificateSigner {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  /** RSA: RSASSA-PKCS1-v1_5 with SHA-256. P-256: ECDSA with SHA-256, P-384: ECDSA with SHA-384, both as r ‖ s. */
  sign(tbs: Uint8Array): Promise<Uint8Array>;
}

const signatureHashes: Record<KeyKind, string> = { RSA: 'SHA-256', 'P-256': 'SHA-256', 'P-384': 'SHA-384' };

/** A signer whose private key is in this process: for terminals, for TLS between our own processes, and for tests. */
export function localSigner(privateKey: KeyObject): CertificateSigner {
  const hash = signatureHashes[keyKind(privateKey)];
  return {
    publicKey: createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
    sign: async (tbs) => sign(hash, tbs, { key: privateKey, dsaEncoding: 'ieee-p1363' }),
  };
}

/**
 * What the generators of @peculiar/x509 want: an algorithm, a key handle and a WebCrypto. The WebCrypto here signs with
 * the signer whatever handle it is given, and knows nothing else.
 */
export function generatorParameters(signer: CertificateSigner) {
  const kind = keyKind(readPublicKey(signer.publicKey));
  const algorithm = kind === 'RSA' ? { name: 'RSASSA-PKCS1-v1_5' } : { name: 'ECDSA', namedCurve: kind };
  const signingAlgorithm = { ...algorithm, hash: signatureHashes[kind] };
  const signingKey = { algorithm: signingAlgorithm };
  const subtle = {
    // A copy: the generator reads the whole ArrayBuffer under the bytes, and a Buffer's may hold others' too.
    sign: async (_algorithm: unknown, _key: unknown, tbs: ArrayBuffer) =>
      new Uint8Array(await signer.sign(new Uint8Array(tbs))),
    exportKey: async () => signer.publicKey,
  };
  return { signingAlgorithm, signingKey, crypto: { subtle } };
}
