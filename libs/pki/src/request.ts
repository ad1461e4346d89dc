import { type KeyObject, verify } from 'node:crypto';
import { PkiError } from './errors.ts';
import { canonicalSpki, keyKind, readPublicKey, refuseKeyKind } from './keys.ts';
import { commonNameOnly, deviceName, serialInNames } from './names.ts';
import { type Purpose, purposes } from './purposes.ts';
import { generatorParameters, localSigner } from './signer.ts';
import {
  PemConverter,
  Pkcs10CertificateRequest,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
} from './x509.ts';

/**
 * A certification request (PKCS#10, RFC 2986) of a terminal, PEM: common name and URI are its serial number, the
 * signature proves possession of `key`, its private key. Called by the terminal.
 * @throws PkiError PKI_KEY_REFUSED, PKI_NAME_REFUSED
 */
export async function createCertificationRequest({
  serial,
  key,
}: {
  serial: string;
  key: KeyObject;
}): Promise<string> {
  const { crypto, signingAlgorithm, signingKey } = generatorParameters(localSigner(key));
  const request = await Pkcs10CertificateRequestGenerator.create(
    {
      name: commonNameOnly(serial),
      extensions: [deviceName(serial)],
      signingAlgorithm,
      keys: { privateKey: signingKey, publicKey: signingKey },
    },
    crypto,
  );
  return `${request.toString('pem')}\n`;
}

/** What a terminal asks for. */
export interface CertificationRequest {
  readonly serial: string;
  /** SubjectPublicKeyInfo in canonical form, DER: one key, one encoding, so that a key used before can be found. */
  readonly publicKey: Uint8Array;
}

/**
 * Reads a terminal's certification request, PEM or DER, and verifies its proof of possession. Called by the KDH.
 * @throws PkiError PKI_MALFORMED; PKI_KEY_REFUSED for a weak key or one of another kind than `purpose` takes;
 * PKI_REQUEST_SIGNATURE; PKI_REQUEST_NAME unless common name and URI are one serial number
 */
export function readCertificationRequest(input: string | Uint8Array, purpose: Purpose): CertificationRequest {
  const request = parseRequest(input);
  const key = readPublicKey(new Uint8Array(request.publicKey.rawData));
  refuseKeyKind(keyKind(key), purposes[purpose].keyKinds);
  if (!isSignedBy(request, key)) {
    throw new PkiError('PKI_REQUEST_SIGNATURE', 'the request is not signed with the key that it names');
  }
  return { serial: serialOf(request), publicKey: canonicalSpki(key) };
}

function parseRequest(input: string | Uint8Array): Pkcs10CertificateRequest {
  try {
    const der = typeof input === 'string' ? fromPem(input) : input;
    const request = new Pkcs10CertificateRequest(der);
    if (request.rawData.byteLength === der.byteLength && request.extensions) return request;
  } catch {
    // told below: the parser's own messages add nothing
  }
  throw new PkiError('PKI_MALFORMED', `a certification request expected, ${input.length} other bytes came`);
}

function fromPem(pem: string): Uint8Array {
  const blocks = PemConverter.decodeWithHeaders(pem).filter(({ type }) =>
    type.endsWith('CERTIFICATE REQUEST'),
  );
  if (blocks.length !== 1) throw new RangeError('one request expected');
  return new Uint8Array(blocks[0]!.rawData);
}

const requestHashes = new Set(['SHA-256', 'SHA-384', 'SHA-512']);

function isSignedBy(request: Pkcs10CertificateRequest, key: KeyObject): boolean {
  const { name, hash } = request.signatureAlgorithm as { name: string; hash?: { name: string } };
  const expected = key.asymmetricKeyType === 'rsa' ? 'RSASSA-PKCS1-v1_5' : 'ECDSA';
  if (name !== expected || !hash || !requestHashes.has(hash.name)) return false;
  // `tbs`, the signed bytes as encoded, is private in the declarations only.
  return verify(hash.name, Buffer.from(request['tbs']), key, Buffer.from(request.signature));
}

function serialOf(request: Pkcs10CertificateRequest): string {
  const names = request.getExtension('2.5.29.17') as SubjectAlternativeNameExtension | null;
  const serial = serialInNames(names);
  const subject = JSON.stringify(request.subjectName.toJSON());
  if (serial === undefined || subject !== JSON.stringify([{ CN: [serial] }])) {
    throw new PkiError(
      'PKI_REQUEST_NAME',
      'common name and URI urn:kdh:device:<serial> of one serial number expected',
    );
  }
  return serial;
}
