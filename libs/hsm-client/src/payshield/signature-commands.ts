import { createHash, type KeyObject } from 'node:crypto';
import { HsmError } from '../errors.ts';
import type { CertificateRequest, SignRequest, VerifySignatureRequest } from '../hsm.ts';
import { requirePublicKey, requireSubject } from '../request-checks.ts';
import {
  type Command,
  decimal,
  fields,
  lmkIdField,
  privateKeyBlock,
  privateKeyField,
  requireRange,
} from './command.ts';

/** The data length field of EW and EY has four decimal digits. */
const MAX_SIGNED_BYTES = 9999;

/**
 * EW, sign. Request: hash 06 (SHA-256), signature 01 (RSA) or 02 (ECDSA), pad 01 (PKCS#1 v1.5; with ECDSA it means
 * nothing and a soft HSM expects it all the same), data length 4N, data, `;`, private key. Answer: signature length 4N,
 * signature. Data that are too long for the field are hashed here: hash 04 (none), and their DigestInfo as data.
 */
export function sign(request: SignRequest, lmkId: number | undefined): Command<Uint8Array> {
  const { scheme, data } = toBeSigned(request);
  return {
    code: 'EW',
    data: fields(
      scheme,
      decimal(data.length, 4, 'bytes to be signed'),
      data,
      ';',
      privateKeyField(request.privateKey),
      lmkIdField(lmkId),
    ),
    keys: [request.privateKey],
    repeatable: true,
    read(answer) {
      const signature = answer.bytes(answer.decimal(4, 'signature length'), 'signature');
      answer.end();
      return signature;
    },
  };
}

/** DigestInfo of SHA-256 up to the digest. RFC 8017, 9.2, note 1. */
const SHA256_DIGEST_INFO = Buffer.from('3031300D060960864801650304020105000420', 'hex');

/** Hash, signature and pad of EW, and what is sent to be signed. */
function toBeSigned({ data, algorithm }: SignRequest): { scheme: string; data: Uint8Array } {
  if (algorithm === 'EC') {
    requireRange(data.length, 0, MAX_SIGNED_BYTES, 'bytes to be signed');
    return { scheme: '060201', data };
  }
  if (data.length <= MAX_SIGNED_BYTES) return { scheme: '060101', data };
  const digest = createHash('sha256').update(data).digest();
  return { scheme: '040101', data: Buffer.concat([SHA256_DIGEST_INFO, digest]) };
}

/**
 * EO, import a public key. Request: encoding 02 (RSAPublicKey) or 03 (SubjectPublicKeyInfo), public key; `~`; `#` mode
 * of use V, key version, exportability N, no optional blocks. Answer: the public key as a key block.
 */
export function importPublicKey(publicKey: KeyObject, lmkId: number | undefined): Command<Uint8Array> {
  const [encoding, type] = isRsa(publicKey) ? (['02', 'pkcs1'] as const) : (['03', 'spki'] as const);
  return {
    code: 'EO',
    data: fields(encoding, publicKey.export({ format: 'der', type }), '~', lmkIdField(lmkId), '#V00N00'),
    keys: [],
    repeatable: true,
    read(answer) {
      const keyBlock = answer.asymmetricKeyBlock('public key');
      answer.end();
      return keyBlock;
    },
  };
}

/** The error code by which EY says that a signature does not verify. */
export const SIGNATURE_DOES_NOT_VERIFY = '02';

/**
 * EY, verify a signature. Request: hash, signature and pad as EW, signature length 4N, signature, `;`, data length 4N,
 * data, `;`, public key as EO returned it. Answer: nothing.
 */
export function verifySignature(
  { data, signature }: VerifySignatureRequest,
  publicKey: KeyObject,
  publicKeyBlock: Uint8Array,
  lmkId: number | undefined,
): Command<void> {
  requireRange(data.length, 0, MAX_SIGNED_BYTES, 'bytes that were signed');
  return {
    code: 'EY',
    data: fields(
      isRsa(publicKey) ? '060101' : '060201',
      decimal(signature.length, 4, 'bytes of the signature'),
      signature,
      ';',
      decimal(data.length, 4, 'bytes that were signed'),
      data,
      ';',
      publicKeyBlock,
      lmkIdField(lmkId),
    ),
    keys: [publicKeyBlock],
    repeatable: true,
    read: (answer) => answer.end(),
  };
}

/**
 * QE, certificate request. Request: `00` (PEM), signature 01 (RSA) or 02 (ECDSA), public key encoding and public key as
 * EO, private key, pad 01 for RSA, hash 06 (SHA-256), `1`, and six parts of the subject, each ended by `;`. The meaning
 * of the `1` and the order of the parts: not known, taken from the AWS sample. Answer: length 4N, PEM.
 */
export function requestCertificate(
  request: CertificateRequest,
  lmkId: number | undefined,
): Command<Uint8Array> {
  const { subject } = request;
  requireSubject(subject);
  const publicKey = requirePublicKey(request.publicKey);
  const rsa = isRsa(publicKey);
  return {
    code: 'QE',
    data: fields(
      rsa ? '000102' : '000203',
      publicKey.export({ format: 'der', type: rsa ? 'pkcs1' : 'spki' }),
      privateKeyBlock(request.privateKey),
      rsa ? '01' : '',
      '061',
      ...[subject.commonName, subject.organisationalUnit, subject.organisation].map(subjectPart),
      ...[subject.locality, subject.state, subject.country].map(subjectPart),
      lmkIdField(lmkId),
    ),
    keys: [request.privateKey],
    repeatable: true,
    read(answer) {
      const pem = Buffer.from(answer.bytes(answer.decimal(4, 'length of the request'), 'request'));
      answer.end();
      const base64 = /^-----BEGIN CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]+)-----END/.exec(
        pem.toString(),
      )?.[1];
      if (base64 === undefined) {
        throw new HsmError('HSM_BAD_ANSWER', 'QF: expected a certificate request in PEM', {
          mayHaveExecuted: true,
        });
      }
      return Uint8Array.from(Buffer.from(base64, 'base64'));
    },
  };
}

function subjectPart(text = ''): string {
  return `${text};`;
}

function isRsa({ asymmetricKeyType }: KeyObject): boolean {
  return asymmetricKeyType === 'rsa';
}
