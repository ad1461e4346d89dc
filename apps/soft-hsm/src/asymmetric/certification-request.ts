import { type KeyObject, sign } from 'node:crypto';
import { writeElement } from './der.ts';
import type { AsymmetricAlgorithm } from './keys.ts';

/** The parts of a subject name, from country to common name as they stand in it; an empty part is left out. */
export interface Subject {
  country: string;
  state: string;
  locality: string;
  organisation: string;
  organisationalUnit: string;
  commonName: string;
}

/** X.520 attribute types 2.5.4.n. */
const attributeTypes: Readonly<Record<keyof Subject, number>> = {
  country: 6,
  state: 8,
  locality: 7,
  organisation: 10,
  organisationalUnit: 11,
  commonName: 3,
};

const oid = (hex: string) => writeElement(0x06, Buffer.from(hex, 'hex'));
const sequence = (...contents: Uint8Array[]) => writeElement(0x30, ...contents);
const set = (...contents: Uint8Array[]) => writeElement(0x31, ...contents);
const bitString = (bytes: Uint8Array) => writeElement(0x03, Uint8Array.of(0 /* unused bits */), bytes);
const printableString = (text: string) => writeElement(0x13, Buffer.from(text, 'latin1'));
const utf8String = (text: string) => writeElement(0x0c, Buffer.from(text, 'utf8'));
const versionOne = writeElement(0x02, Uint8Array.of(0));
const noAttributes = writeElement(0xa0);

const signatureAlgorithms: Readonly<Record<AsymmetricAlgorithm, Uint8Array>> = {
  R: sequence(oid('2A864886F70D01010B' /* sha256WithRSAEncryption */), writeElement(0x05 /* NULL */)),
  E: sequence(oid('2A8648CE3D040302' /* ecdsa-with-SHA256 */)),
};

/** A PKCS#10 certification request (RFC 2986), signed with SHA-256. `publicKey`: SubjectPublicKeyInfo, DER. */
export function certificationRequest(
  subject: Subject,
  publicKey: Uint8Array,
  algorithm: AsymmetricAlgorithm,
  privateKey: KeyObject,
): Buffer {
  // CertificationRequestInfo: version subject subjectPKInfo [0] attributes
  const info = sequence(versionOne, nameOf(subject), publicKey, noAttributes);
  return sequence(info, signatureAlgorithms[algorithm], bitString(sign('sha256', info, privateKey)));
}

function nameOf(subject: Subject): Buffer {
  const parts = (Object.keys(attributeTypes) as (keyof Subject)[]).filter((part) => subject[part] !== '');
  return sequence(
    ...parts.map((part) => {
      const value = part === 'country' ? printableString(subject[part]) : utf8String(subject[part]);
      return set(sequence(writeElement(0x06, Uint8Array.of(0x55, 0x04, attributeTypes[part])), value));
    }),
  );
}
