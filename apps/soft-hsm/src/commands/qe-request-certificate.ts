import { createPublicKey } from 'node:crypto';
import { Refusal } from '../answer-codes.ts';
import { certificationRequest } from '../asymmetric/certification-request.ts';
import { importPublicKey } from '../asymmetric/keys.ts';
import { requestingKeyRule } from '../keys/key-rules.ts';
import { answer, type Command } from './command.ts';
import { readBinarySBlock } from './key-field.ts';
import { readLmkId } from './lmk-field.ts';
import { readSignatureAlgorithm } from './signatures.ts';

/**
 * QE: a certificate request (PKCS#10) for a key pair, signed with SHA-256. Answer: length[4N], PEM.
 * 06 signature algorithm; D3 encoding of the public key; 07 pad; 05 hash; 49 a private key that is not the public
 * key's. The `1` before the subject: meaning not known, taken from the AWS sample, as is the order of its fields.
 *
 * `QE00` signature algorithm[2N] encoding[2N: 02 RSA, 03 EC] public key DER, private key [pad 01 for RSA] 06 1, common
 * name; unit; organisation; locality; state; country; [%LMK id]
 */
export const qe: Command = {
  name: 'request a certificate',
  kind: 'key',
  prepare(fields) {
    fields.literal('00', 'output: PEM');
    const algorithm = readSignatureAlgorithm(fields);
    fields.literal(algorithm === 'R' ? '02' : '03', 'public key encoding', 'D3');
    const publicKeyDer = fields.der('public key');
    const keyBlock = readBinarySBlock(fields, 'private key');
    if (algorithm === 'R') fields.literal('01', 'pad mode: PKCS#1 v1.5', '07');
    fields.literal('06', 'hash: SHA-256', '05');
    fields.literal('1', 'constant before the subject');
    const part = (name: string) => fields.textUntil(';', name);
    const [commonName, organisationalUnit, organisation] = [
      part('common name'),
      part('unit'),
      part('organisation'),
    ];
    const [locality, state, country] = [part('locality'), part('state'), part('country')];
    const lmkId = readLmkId(fields);

    return (scope) => {
      const publicKey = importPublicKey(algorithm, publicKeyDer);
      const privateKey = scope.openPrivateKey(requestingKeyRule(algorithm), scope.lmk(lmkId), keyBlock);
      if (!createPublicKey(privateKey).equals(publicKey)) {
        throw new Refusal('49', 'public and private key are not a pair');
      }
      const spki = publicKey.export({ format: 'der', type: 'spki' });
      const subject = { commonName, organisationalUnit, organisation, locality, state, country };
      const pem = toPem(certificationRequest(subject, spki, algorithm, privateKey));
      return answer(String(pem.length).padStart(4, '0'), pem);
    };
  },
};

function toPem(der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .match(/.{1,64}/g)!;
  return ['-----BEGIN CERTIFICATE REQUEST-----', ...lines, '-----END CERTIFICATE REQUEST-----', ''].join(
    '\n',
  );
}
