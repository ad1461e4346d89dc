/**
 * The tokens that end or move a binding. TR-34:2019, B.10 to B.14.
 *
 * | token   | content                                                          | signed by         |
 * | UBT_KDH | identifier of the KRD; nonce                                     | bound KDH         |
 * | RBT_KDH | SignedData with that and the certificate of the new KDH; nonce   | the old, bound KDH|
 * | UBT_CA  | identifiers of the KRD and of the bound KDH                      | CA of the KRDs    |
 * | RBT_CA  | SignedData with those and the certificate of the new KDH         | CA of the KRDs    |
 *
 * Two identifiers stand one after the other without a SEQUENCE, as in B.13 and at Clover. Identifiers are
 * IssuerAndSerialNumber (DER), see `issuerAndSerialNumber`.
 */
import { concat, DerReader, sequence, tags } from './der.ts';
import { type DialectName, type Reading, writes } from './dialects.ts';
import { Tr34Error } from './errors.ts';
import { oids } from './oids.ts';
import {
  buildSignedData,
  contentSequence,
  parseSignedData,
  parseSignedToken,
  type SignedData,
} from './signed-data.ts';
import { requireCrl, signToken, type TokenSigner } from './signing.ts';

/** What the bound KDH says in an unbind. */
export interface KdhUnbind {
  /** Identifier of the KRD. */
  readonly krd: Uint8Array;
  /** From a fresh RT_KRD, 8 to 16 bytes. */
  readonly nonce: Uint8Array;
  readonly signingTime?: Date;
  /** CRL of the KDH's CA, DER. */
  readonly crl?: Uint8Array;
  /** Left out: `strict`. */
  readonly dialect?: DialectName;
}

export interface KdhRebind extends KdhUnbind {
  /** DER. */
  readonly newKdhCertificate: Uint8Array;
}

/** What the higher authority says in an unbind: no nonce, for the day the KDH's key is lost. */
export interface CaUnbind {
  /** Identifiers of the KRD and of the KDH that it is bound to. */
  readonly krd: Uint8Array;
  readonly kdh: Uint8Array;
  readonly signingTime: Date;
  /** Left out: `strict`. */
  readonly dialect?: DialectName;
}

export interface CaRebind extends CaUnbind {
  /** DER. */
  readonly newKdhCertificate: Uint8Array;
}

/** UBT_KDH. Signed by the bound KDH. @throws TR34_NONCE_LENGTH, TR34_CRL_ABSENT */
export async function makeUnbindToken(
  unbind: KdhUnbind,
  signer: TokenSigner,
): Promise<Uint8Array<ArrayBuffer>> {
  return signByKdh(unbind, { contentType: oids.data, content: unbind.krd }, signer);
}

/** RBT_KDH. Signed by the old KDH. @throws TR34_NONCE_LENGTH, TR34_CRL_ABSENT */
export async function makeRebindToken(
  rebind: KdhRebind,
  signer: TokenSigner,
): Promise<Uint8Array<ArrayBuffer>> {
  return signByKdh(rebind, rebindContent(rebind.krd, rebind), signer);
}

/** UBT_CA. Signed by the CA of the KRDs. */
export async function makeCaUnbindToken(
  unbind: CaUnbind,
  signer: TokenSigner,
): Promise<Uint8Array<ArrayBuffer>> {
  return signByCa(unbind, { contentType: oids.data, content: concat(unbind.krd, unbind.kdh) }, signer);
}

/** RBT_CA. Signed by the CA of the KRDs. */
export async function makeCaRebindToken(
  rebind: CaRebind,
  signer: TokenSigner,
): Promise<Uint8Array<ArrayBuffer>> {
  return signByCa(rebind, rebindContent(concat(rebind.krd, rebind.kdh), rebind), signer);
}

interface Content {
  readonly contentType: string;
  readonly content: Uint8Array;
}

function rebindContent(
  identifiers: Uint8Array,
  { newKdhCertificate, dialect = 'strict' }: { newKdhCertificate: Uint8Array; dialect?: DialectName },
): Content {
  const inner = { contentType: oids.data, content: identifiers, certificates: [newKdhCertificate] };
  const members = buildSignedData(inner, dialect);
  const content = writes(dialect, 'content-without-sequence') ? members : sequence(members);
  return { contentType: oids.signedData, content };
}

async function signByKdh(
  { nonce, signingTime, crl, dialect = 'strict' }: KdhUnbind,
  content: Content,
  signer: TokenSigner,
) {
  requireCrl(crl, dialect);
  return signToken(
    { ...content, attributes: { nonce, ...(signingTime && { signingTime }) }, crl },
    signer,
    dialect,
  );
}

async function signByCa(
  { signingTime, dialect = 'strict' }: CaUnbind,
  content: Content,
  signer: TokenSigner,
) {
  return signToken({ ...content, attributes: { signingTime } }, signer, dialect);
}

/** A token that ends or moves a binding, as it says. Nothing of it is verified. */
export interface BindingToken {
  readonly signedData: SignedData;
  /** Identifier of the signer, DER. */
  readonly signer: Uint8Array;
  /** Identifiers in the content, DER: the KRD; of a higher authority, the KDH, too. */
  readonly krd: Uint8Array;
  readonly kdh: Uint8Array | undefined;
  /** Rebind: certificate of the new KDH, DER. */
  readonly newKdhCertificate: Uint8Array | undefined;
  readonly nonce: Uint8Array | undefined;
  readonly signingTime: Date | undefined;
}

/** Reads any of the four. @throws TR34_MALFORMED, TR34_DIALECT, TR34_ALGORITHM_UNSUPPORTED */
export function readBindingToken(token: Uint8Array, reading: Reading): BindingToken {
  const signedData = parseSignedToken(token, reading);
  const { signer } = signedData;
  if (!signer) throw new Tr34Error('TR34_MALFORMED', 'unbind or rebind: expected one signer, got none');
  const { identifiers, newKdhCertificate } = parseBindingContent(signedData, reading);
  const list = new DerReader(identifiers, 'identifiers').rest(tags.sequence, 'issuerAndSerialNumber');
  const [krd, kdh, another] = list.map(({ bytes }) => bytes);
  if (!krd || another) {
    throw new Tr34Error(
      'TR34_MALFORMED',
      `unbind or rebind: expected one or two identifiers, got ${list.length}`,
    );
  }
  const { nonce, signingTime } = signer.attributes ?? {};
  return { signedData, signer: signer.identifier, krd, kdh, newKdhCertificate, nonce, signingTime };
}

function parseBindingContent(outer: SignedData, reading: Reading) {
  if (outer.contentType === oids.data && outer.content) {
    return { identifiers: outer.content, newKdhCertificate: undefined };
  }
  if (outer.contentType !== oids.signedData) {
    throw new Tr34Error(
      'TR34_MALFORMED',
      `unbind or rebind: expected id-data or SignedData, got ${outer.contentType}`,
    );
  }
  const inner = parseSignedData(contentSequence(outer.content, reading), reading);
  const [newKdhCertificate, another] = inner.certificates;
  if (inner.contentType !== oids.data || !inner.content || inner.signer || !newKdhCertificate || another) {
    throw new Tr34Error(
      'TR34_MALFORMED',
      'rebind: expected identifiers and one certificate without a signer',
    );
  }
  return { identifiers: inner.content, newKdhCertificate };
}
