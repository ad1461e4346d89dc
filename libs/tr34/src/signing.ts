/** How a token gets its signature. RFC 5652, 5.4. */
import { buildAttributes, type SignedAttributes } from './attributes.ts';
import { identifierOf, parseCertificate } from './certificate.ts';
import { readDer, tags } from './der.ts';
import { type DialectName, dialects, writes } from './dialects.ts';
import { Tr34Error } from './errors.ts';
import { oids } from './oids.ts';
import { buildSignedToken, sha256 } from './signed-data.ts';

/**
 * The private key of a KDH, or of the CA of the KRDs. It may live in an HSM: this package asks for signatures only.
 * A call may be repeated; the signature scheme is deterministic.
 */
export interface TokenSigner {
  /** Of the signing key, DER. */
  readonly certificate: Uint8Array;
  /** RSASSA-PKCS1-v1_5 with SHA-256 over `data`, as long as the modulus. */
  sign(data: Uint8Array): Promise<Uint8Array>;
}

/** What is to be signed. */
export interface TokenContent {
  readonly contentType: string;
  readonly content: Uint8Array;
  readonly attributes: Omit<SignedAttributes, 'contentType' | 'messageDigest'>;
  /** The CRL of the KDH's CA, DER. */
  readonly crl?: Uint8Array | undefined;
}

/** The attributes as they are signed: DER of a SET. */
export function attributesOf({ contentType, content, attributes }: TokenContent, dialect: DialectName) {
  return buildAttributes({ contentType, messageDigest: sha256(content), ...attributes }, dialect);
}

/** Content, attributes and signature as a token. */
export async function signToken(token: TokenContent, signer: TokenSigner, dialect: DialectName) {
  const { contentType, content, attributes, crl } = token;
  // Of the tokens with id-data, only UBT_CA has no nonce: B.13 signs its content directly.
  const bare = contentType === oids.data && !attributes.nonce && writes(dialect, 'signed-attributes-absent');
  const attributeSet = bare ? undefined : attributesOf(token, dialect);
  const signature = await signer.sign(attributeSet ?? content);
  const identifier = identifierOf(parseCertificate(signer.certificate));
  return buildSignedToken(
    {
      contentType,
      content,
      crls: crl ? [crl] : [],
      signer: {
        identifier,
        signature,
        ...(attributeSet && { attributeBytes: readDer(attributeSet, tags.set, 'signedAttrs').content }),
      },
    },
    dialect,
  );
}

/** @throws TR34_CRL_ABSENT when the dialect puts a CRL into every token of the KDH and there is none */
export function requireCrl(crl: Uint8Array | undefined, dialect: DialectName): void {
  if (!crl && dialects[dialect].crl === 'required') {
    throw new Tr34Error(
      'TR34_CRL_ABSENT',
      `${dialect}: expected the CRL of the KDH's CA for the token, got none`,
    );
  }
}
