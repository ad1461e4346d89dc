import type { KeyObject } from 'node:crypto';
import {
  CertificationRequest as Asn1Request,
  Attributes,
  CertificationRequestInfo,
} from '@peculiar/asn1-csr';
import { AsnConvert } from '@peculiar/asn1-schema';
import { Attribute, Extensions, SubjectPublicKeyInfo } from '@peculiar/asn1-x509';
import { parseDer } from './der.ts';
import { PkiError } from './errors.ts';
import { canonicalSpki, keyKind, readPublicKey, refuseKeyKind } from './keys.ts';
import { commonNameOf, commonNameOnly, deviceName, serialInNames } from './names.ts';
import { type Purpose, purposes } from './purposes.ts';
import { isSignedBy, localSigner, signatureAlgorithm, signVerified } from './signer.ts';

/** extensionRequest, RFC 2985, 5.4.2. */
const extensionRequest = '1.2.840.113549.1.9.14';

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
  const signer = localSigner(key);
  const certificationRequestInfo = new CertificationRequestInfo({
    subject: commonNameOnly(serial),
    subjectPKInfo: AsnConvert.parse(signer.publicKey, SubjectPublicKeyInfo),
    attributes: new Attributes([
      new Attribute({
        type: extensionRequest,
        values: [AsnConvert.serialize(new Extensions([deviceName(serial)]))],
      }),
    ]),
  });
  const signature = await signVerified(signer, AsnConvert.serialize(certificationRequestInfo));
  const request = new Asn1Request({
    certificationRequestInfo,
    signatureAlgorithm: signatureAlgorithm(signer),
    signature,
  });
  const base64 = Buffer.from(AsnConvert.serialize(request)).toString('base64');
  return `${pemBegin}\n${base64.replaceAll(/.{1,64}/g, '$&\n')}${pemEnd}\n`;
}

/** What a terminal asks for. */
export interface CertificationRequest {
  readonly serial: string;
  /** SubjectPublicKeyInfo in canonical form, DER: one key, one encoding, so that a key seen before is recognised. */
  readonly publicKey: Uint8Array;
}

/**
 * Reads a terminal's certification request, PEM or DER, and verifies its proof of possession. Called by the KDH.
 * @throws PkiError PKI_MALFORMED; PKI_KEY_REFUSED for a weak key or one of another kind than `purpose` takes;
 * PKI_REQUEST_SIGNATURE; PKI_REQUEST_NAME unless common name and URI are one serial number
 */
export function readCertificationRequest(input: string | Uint8Array, purpose: Purpose): CertificationRequest {
  const der = typeof input === 'string' ? fromPem(input) : input;
  const request = parseDer(der, Asn1Request, 'a certification request');
  const key = readPublicKey(
    new Uint8Array(AsnConvert.serialize(request.certificationRequestInfo.subjectPKInfo)),
  );
  refuseKeyKind(keyKind(key), purposes[purpose].keyKinds);
  if (!isProofOfPossession(request, key)) {
    throw new PkiError('PKI_REQUEST_SIGNATURE', 'the request is not signed with the key that it names');
  }
  return { serial: serialOf(request.certificationRequestInfo), publicKey: canonicalSpki(key) };
}

const pemBegin = '-----BEGIN CERTIFICATE REQUEST-----';
const pemEnd = '-----END CERTIFICATE REQUEST-----';
/** RFC 7468, 7, with the older label that it mentions; exactly one request. */
const pem =
  /^\s*-----BEGIN (NEW )?CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]+)-----END \1?CERTIFICATE REQUEST-----\s*$/;

function fromPem(text: string): Uint8Array {
  return Buffer.from(pem.exec(text)?.[2] ?? '', 'base64');
}

function isProofOfPossession(request: Asn1Request, key: KeyObject): boolean {
  const { signatureAlgorithm: algorithm, certificationRequestInfoRaw: tbs, signature } = request;
  return isSignedBy(key, algorithm, tbs!, new Uint8Array(signature));
}

function serialOf({ subject, attributes }: CertificationRequestInfo): string {
  const serial = serialInNames(requestedExtensions(attributes));
  if (serial === undefined || commonNameOf(subject) !== serial) {
    throw new PkiError(
      'PKI_REQUEST_NAME',
      'common name and URI urn:kdh:device:<serial> of one serial number expected',
    );
  }
  return serial;
}

function requestedExtensions(attributes: Attributes | undefined): Extensions | undefined {
  const requested = attributes?.find(({ type }) => type === extensionRequest)?.values[0];
  return requested && parseDer(new Uint8Array(requested), Extensions, 'requested extensions');
}
