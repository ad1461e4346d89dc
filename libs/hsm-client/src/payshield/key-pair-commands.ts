import { createPublicKey } from 'node:crypto';
import { HsmError } from '../errors.ts';
import type { GenerateRsaKeyPairRequest, KeyPair } from '../hsm.ts';
import {
  badRequest,
  type Command,
  decimal,
  fields,
  hexBytes,
  hexNumber,
  keyField,
  lmkIdField,
  privateKeyField,
} from './command.ts';

/**
 * EI, generate an RSA key pair. Request: key type 0 (signature) or 1 (key management), modulus bits 4N, public key
 * encoding 02 (DER with two's complement integers; 01 would leave out the leading zero);
 * `#` key version, no optional blocks; `&N`, the private key is never exported.
 * Answer: RSAPublicKey DER, length 4N (`FFFF`: the block says it), private key block.
 */
export function generateRsaKeyPair(
  request: GenerateRsaKeyPairRequest,
  lmkId: number | undefined,
): Command<KeyPair> {
  const keyType = request.use === 'key-management' ? '1' : '0';
  return {
    code: 'EI',
    data: fields(keyType, decimal(request.bits, 4, 'modulus bits'), '02', lmkIdField(lmkId), '#0000', '&N'),
    keys: [],
    repeatable: false,
    slow: true,
    read(answer) {
      const publicKey = toSubjectPublicKeyInfo(answer.der('public key'));
      if (answer.text(4, 'private key length') !== 'FFFF') {
        throw new HsmError(
          'HSM_BAD_ANSWER',
          'EJ: expected a private key block: the LMK is no key block LMK',
          {
            mayHaveExecuted: true,
          },
        );
      }
      const privateKey = answer.asymmetricKeyBlock('private key');
      answer.end();
      return { publicKey, privateKey };
    },
  };
}

function toSubjectPublicKeyInfo(rsaPublicKey: Uint8Array): Uint8Array {
  try {
    const key = createPublicKey({ key: Buffer.from(rsaPublicKey), format: 'der', type: 'pkcs1' });
    return new Uint8Array(key.export({ format: 'der', type: 'spki' }));
  } catch (cause) {
    throw new HsmError('HSM_BAD_ANSWER', 'EJ: public key: expected an RSAPublicKey', {
      mayHaveExecuted: true,
      cause,
    });
  }
}

/**
 * FY, generate a P-256 key pair. Request: `01`, curve 00, public key encoding 03 (SubjectPublicKeyInfo); `#` key use S,
 * key version, exportability N, no optional blocks. Answer: public key length 4N, public key, private key block.
 */
export function generateEcKeyPair(lmkId: number | undefined): Command<KeyPair> {
  return {
    code: 'FY',
    data: fields('010003', lmkIdField(lmkId), '#S00N00'),
    keys: [],
    repeatable: false,
    read(answer) {
      const publicKey = answer.bytes(answer.decimal(4, 'public key length'), 'public key');
      const privateKey = answer.asymmetricKeyBlock('private key');
      answer.end();
      return { publicKey, privateKey };
    },
  };
}

/** What B8 needs besides keys, as DER. */
export interface Tr34Parties {
  /** IssuerAndSerialNumber of the KDH's certificate. */
  kdhId: Uint8Array;
  /** IssuerAndSerialNumber of the KRD's certificate. */
  krdId: Uint8Array;
  /** RSAPublicKey (PKCS#1) of the KRD. */
  krdPublicKey: Uint8Array;
}

/** The parts of a two-pass key token that are made with keys; the rest of the CMS is put around them here. */
export interface Tr34Parts {
  /** The signed attributes, DER. */
  authenticatedAttributes: Uint8Array;
  /** EnvelopedData, DER. */
  envelopedData: Uint8Array;
  signature: Uint8Array;
  kcv: string;
}

export interface ExportTr34Fields extends Tr34Parties {
  key: string;
  kdhPrivateKey: Uint8Array;
  /** 8 to 16 bytes. */
  nonce: Uint8Array;
  versionId: 'B' | 'D';
  /** By what the HSM judges the KRD, DER. Left out: the HSM leaves that to the host, as a payShield does. */
  krdEvidence?: { certificate: Uint8Array; crls: readonly Uint8Array[] };
}

/**
 * B8, TR-34 export. Request: TR-34 version 0 (2012), key type FFF, key, KDH id, `000001`, KRD id, KRD public key,
 * `00`, private key, `010`, nonce length 2H, nonce, LMK id, `!` and the TR-31 version of the header attribute.
 * The constants 000001, 00 and 010: meaning not known, taken from the AWS sample, which runs against a device.
 * After that, for the soft HSM only: `~`, KRD certificate, number of CRLs 1N, CRLs.
 * Answer: authenticated attributes DER, KCV of 3 raw bytes, EnvelopedData DER, signature length 4N, signature.
 */
export function exportTr34(request: ExportTr34Fields, lmkId: number | undefined): Command<Tr34Parts> {
  const { nonce, krdEvidence } = request;
  if (nonce.length < 8 || nonce.length > 16)
    throw badRequest(`nonce: expected 8 to 16 bytes, got ${nonce.length}`);
  return {
    code: 'B8',
    data: fields(
      '0FFF',
      keyField(request.key, 'key'),
      request.kdhId,
      '000001',
      request.krdId,
      request.krdPublicKey,
      '00',
      privateKeyField(request.kdhPrivateKey),
      '010',
      hexNumber(nonce.length, 2, 'nonce length'),
      nonce,
      lmkIdField(lmkId),
      `!${request.versionId}`,
      ...(krdEvidence ? krdEvidenceFields(krdEvidence) : []),
    ),
    keys: [request.key, request.kdhPrivateKey],
    repeatable: false,
    read(answer) {
      const authenticatedAttributes = answer.der('authenticated attributes');
      const kcv = hexBytes(answer.bytes(3, 'KCV'));
      const envelopedData = answer.der('EnvelopedData');
      const signature = answer.bytes(answer.decimal(4, 'signature length'), 'signature');
      answer.end();
      return { authenticatedAttributes, kcv, envelopedData, signature };
    },
  };
}

function krdEvidenceFields({ certificate, crls }: NonNullable<ExportTr34Fields['krdEvidence']>) {
  return ['~', certificate, decimal(crls.length, 1, 'number of CRLs of the KRD'), ...crls];
}
