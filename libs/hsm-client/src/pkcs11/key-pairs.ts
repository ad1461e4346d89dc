import { createPublicKey, type KeyObject } from 'node:crypto';
import { HsmError } from '../errors.ts';
import type { KeyPair, LmkPrivateKey } from '../hsm.ts';
import { CKA, CKK, CKM, CKO } from './constants.ts';
import { attributesOf, type Handle, mechanismOf, type Template } from './cryptoki.ts';
import type { Session } from './token.ts';

/** OID prime256v1, DER. */
const P256 = Uint8Array.of(0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07);

/** DER of an OCTET STRING of 65 bytes, then an uncompressed point: what CKA_EC_POINT is on P-256. */
const POINT_PREFIX = Uint8Array.of(0x04, 0x41, 0x04);

const COORDINATE_BYTES = 32;

/** Bytes of CKA_ID, by which a key is found again. */
const ID_BYTES = 16;

/** 65537. */
const PUBLIC_EXPONENT = Uint8Array.of(0x01, 0x00, 0x01);

/** What is generated: RSA of so many bits, or P-256. */
export type KeyPairKind = { bits: number } | 'P-256';

/** Makes a key pair that stays on the token; the private key can sign, and can neither be read nor wrapped. */
export async function generateKeyPair(session: Session, kind: KeyPairKind): Promise<KeyPair> {
  const { cryptoki, handle } = session;
  const id = await random(session, ID_BYTES);
  const both: Template = [
    [CKA.TOKEN, true],
    [CKA.ID, id],
    [CKA.LABEL, Buffer.from('OpenKDH')],
  ];
  const ofKind: Template =
    kind === 'P-256'
      ? [[CKA.EC_PARAMS, P256]]
      : [
          [CKA.MODULUS_BITS, kind.bits],
          [CKA.PUBLIC_EXPONENT, PUBLIC_EXPONENT],
        ];
  const publicTemplate: Template = [...both, [CKA.VERIFY, true], ...ofKind];
  const privateTemplate: Template = [
    ...both,
    [CKA.PRIVATE, true],
    [CKA.SENSITIVE, true],
    [CKA.EXTRACTABLE, false],
    [CKA.SIGN, true],
  ];
  const [publicHandle, privateHandle]: [[Handle], [Handle]] = [[0], [0]];
  await cryptoki.call(
    'C_GenerateKeyPair',
    handle,
    mechanismOf(kind === 'P-256' ? CKM.EC_KEY_PAIR_GEN : CKM.RSA_PKCS_KEY_PAIR_GEN),
    attributesOf(publicTemplate),
    publicTemplate.length,
    attributesOf(privateTemplate),
    privateTemplate.length,
    publicHandle,
    privateHandle,
  );
  const publicKey =
    kind === 'P-256'
      ? await readEcPublicKey(session, publicHandle[0])
      : await readRsaPublicKey(session, publicHandle[0], kind.bits / 8);
  return {
    publicKey: Uint8Array.from(publicKey.export({ format: 'der', type: 'spki' })),
    privateKey: referenceTo(id),
  };
}

export async function random({ cryptoki, handle }: Session, lengthBytes: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(lengthBytes);
  await cryptoki.call('C_GenerateRandom', handle, bytes, lengthBytes);
  return bytes;
}

/** The reference that callers keep as the private key: a URI of RFC 7512, in ASCII. */
function referenceTo(id: Uint8Array): LmkPrivateKey {
  const hex = Buffer.from(id).toString('hex').toUpperCase();
  return Uint8Array.from(Buffer.from(`pkcs11:id=${hex.replaceAll(/../g, '%$&')};type=private`));
}

/** Finds the private key again. Throws HSM_BAD_REQUEST for what is no reference, HSM_REFUSED where the key is not there. */
export async function findPrivateKey(
  { cryptoki, handle }: Session,
  reference: LmkPrivateKey,
): Promise<Handle> {
  const text = Buffer.from(reference).toString('latin1');
  const encoded = /^pkcs11:id=((?:%[0-9A-F]{2}){16});type=private$/.exec(text)?.[1];
  if (encoded === undefined) {
    const got = `${reference.length} bytes of another form`;
    throw new HsmError('HSM_BAD_REQUEST', `private key: expected a PKCS#11 URI with an id, got ${got}`);
  }
  const template: Template = [
    [CKA.CLASS, CKO.PRIVATE_KEY],
    [CKA.ID, Buffer.from(encoded.replaceAll('%', ''), 'hex')],
  ];
  const found: Handle[] = [0, 0];
  const count: [number] = [0];
  await cryptoki.call('C_FindObjectsInit', handle, attributesOf(template), template.length);
  await cryptoki.call('C_FindObjects', handle, found, found.length, count);
  await cryptoki.call('C_FindObjectsFinal', handle);
  if (count[0] !== 1) {
    throw new HsmError('HSM_REFUSED', `private key: expected one of that id on the token, found ${count[0]}`);
  }
  return found[0]!;
}

/** Runs `work` with the public key as an object of the session. */
export async function withPublicKey<Result>(
  { cryptoki, handle }: Session,
  publicKey: KeyObject,
  work: (publicKey: Handle) => Promise<Result>,
): Promise<Result> {
  const template: Template = [
    [CKA.CLASS, CKO.PUBLIC_KEY],
    [CKA.TOKEN, false],
    [CKA.VERIFY, true],
    ...publicKeyAttributes(publicKey),
  ];
  const created: [Handle] = [0];
  await cryptoki.call('C_CreateObject', handle, attributesOf(template), template.length, created);
  try {
    return await work(created[0]);
  } finally {
    await cryptoki.call('C_DestroyObject', handle, created[0]);
  }
}

function publicKeyAttributes(publicKey: KeyObject): Template {
  const { kty, n, e, x, y } = publicKey.export({ format: 'jwk' });
  const bytes = (base64url: string | undefined): Buffer => Buffer.from(base64url!, 'base64url');
  if (kty === 'RSA') {
    return [
      [CKA.KEY_TYPE, CKK.RSA],
      [CKA.MODULUS, bytes(n)],
      [CKA.PUBLIC_EXPONENT, bytes(e)],
    ];
  }
  return [
    [CKA.KEY_TYPE, CKK.EC],
    [CKA.EC_PARAMS, P256],
    [CKA.EC_POINT, Buffer.concat([POINT_PREFIX, bytes(x), bytes(y)])],
  ];
}

async function readRsaPublicKey(session: Session, key: Handle, modulusBytes: number): Promise<KeyObject> {
  const n = base64url(await readAttribute(session, key, CKA.MODULUS, modulusBytes));
  return createPublicKey({ key: { kty: 'RSA', n, e: base64url(PUBLIC_EXPONENT) }, format: 'jwk' });
}

async function readEcPublicKey(session: Session, key: Handle): Promise<KeyObject> {
  const length = POINT_PREFIX.length + 2 * COORDINATE_BYTES;
  const point = await readAttribute(session, key, CKA.EC_POINT, length);
  const coordinates = point.subarray(POINT_PREFIX.length);
  const x = base64url(coordinates.subarray(0, COORDINATE_BYTES));
  const y = base64url(coordinates.subarray(COORDINATE_BYTES));
  return createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' });
}

async function readAttribute(
  { cryptoki, handle }: Session,
  object: Handle,
  type: number,
  lengthBytes: number,
): Promise<Uint8Array> {
  const value = new Uint8Array(lengthBytes);
  const template = attributesOf([[type, value]]) as [{ valueBytes: number }];
  await cryptoki.call('C_GetAttributeValue', handle, object, template, template.length);
  if (Number(template[0].valueBytes) !== lengthBytes) {
    const got = Number(template[0].valueBytes);
    throw new HsmError('HSM_BAD_ANSWER', `C_GetAttributeValue: expected ${lengthBytes} bytes, got ${got}`, {
      mayHaveExecuted: true,
    });
  }
  return value;
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}
