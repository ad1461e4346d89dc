import { generateKeyPair } from 'node:crypto';

/** Curves by their number in FY: P-256, P-384, P-521, as node:crypto names them. */
export const curves: Readonly<Record<string, string>> = { '00': 'P-256', '01': 'P-384', '02': 'P-521' };

export interface EcKeyPair {
  /** SubjectPublicKeyInfo, DER. */
  publicKey: Buffer;
  /** ECPrivateKey of SEC 1, DER. The caller wipes it. */
  privateKey: Buffer;
}

/** Runs outside the event loop. The random numbers come from OpenSSL's generator: it takes no other. */
export function generateEcKeyPair(namedCurve: string): Promise<EcKeyPair> {
  return new Promise((resolve, reject) => {
    generateKeyPair('ec', { namedCurve }, (error, publicKey, privateKey) => {
      if (error) return reject(error);
      resolve({
        publicKey: publicKey.export({ format: 'der', type: 'spki' }),
        privateKey: privateKey.export({ format: 'der', type: 'sec1' }),
      });
    });
  });
}
