/**
 * The samples in TR-34:2019, Annex B, contradict RFC 5652 and the ASN.1 of its own Annex D, and both are in the field.
 * A dialect says, as data, which deviations it writes and which it reads. The sources of each row are in
 * docs/api/tr34.md.
 */
import { Tr34Error } from './errors.ts';

/** Every way in which a token was seen to differ from RFC 5652 and Annex D. */
export const deviations = {
  'signed-data-version-1': 'SignedData version 1 although the content is not id-data (RFC 5652, 5.1: 3)',
  'rsa-encryption-as-signature-algorithm':
    'rsaEncryption where sha256WithRSAEncryption is meant (RFC 3370, 3.2)',
  'signed-attributes-absent': 'no signed attributes, the signature is over the content (B.13; RFC 5652, 5.4)',
  'signed-attributes-unsorted': 'signed attributes not in the DER order of a SET, signed as they stand (B.9)',
  'signed-over-sorted-attributes': 'attributes sent in one order, signed in the DER order',
  'signer-infos-before-crls': 'signerInfos, then crls (B.6)',
  'content-without-sequence':
    'eContent holds the members of its SEQUENCE, tag and length are missing (B.10, B.11)',
  'encrypted-content-nested': 'encryptedContent inside contentEncryptionAlgorithm',
  'oaep-parameters-untagged': 'RSAES-OAEP parameters without their tags [0] [1] [2] (RFC 8017, A.2.1)',
  'aes-iv-of-8-bytes': 'an AES IV written as 8 bytes; 8 zero bytes follow in use',
  'padding-absent': 'no padding on content that fills its last block (RFC 5652, 6.3: a full block)',
  'key-block-version-1': 'key block version 1 (Annex D: 0)',
  'key-block-header-as-attribute': 'the header in the key block as an attribute (Annex D: OCTET STRING)',
} as const satisfies Record<string, string>;
export type Deviation = keyof typeof deviations;

export interface Dialect {
  /** What its tokens show wherever it applies. */
  readonly writes: readonly Deviation[];
  readonly reads: readonly Deviation[];
  /** Whether a token of the KDH must carry the CRL. */
  readonly crl: 'required' | 'optional';
}

// RFC 5652 allows the first two. Nobody was seen to write the key block of Annex D: Clover, whose CMS is strict, puts
// version 1 and the attribute into it.
const readByAll = [
  'rsa-encryption-as-signature-algorithm',
  'signed-attributes-absent',
  'key-block-version-1',
  'key-block-header-as-attribute',
] as const satisfies readonly Deviation[];

const sampleForms = [
  'signed-data-version-1',
  'rsa-encryption-as-signature-algorithm',
  'signed-attributes-unsorted',
  'content-without-sequence',
  'encrypted-content-nested',
  'oaep-parameters-untagged',
  'key-block-version-1',
  'key-block-header-as-attribute',
] as const satisfies readonly Deviation[];

const annexB = [
  ...sampleForms,
  'signed-attributes-absent',
  'signer-infos-before-crls',
  'aes-iv-of-8-bytes',
] as const satisfies readonly Deviation[];

export const dialects = {
  /** RFC 5652 and Annex D. */
  strict: { writes: [], reads: readByAll, crl: 'optional' },
  /** The samples of TR-34:2019, Annex B, in all their forms. */
  'annex-b-2019': { writes: annexB, reads: [...annexB, 'signed-over-sorted-attributes'], crl: 'optional' },
  /** AWS Payment Cryptography and, after the sample that drives one, payShield B8. */
  aws: { writes: sampleForms, reads: [...readByAll, ...sampleForms, 'padding-absent'], crl: 'optional' },
  /** IBM CCA reads both families and demands the CRL. Which key block it writes was not seen: the usual one. */
  'ibm-cca': {
    writes: ['key-block-version-1', 'key-block-header-as-attribute'],
    reads: [...annexB, 'signed-over-sorted-attributes'],
    crl: 'required',
  },
} as const satisfies Record<string, Dialect>;
export type DialectName = keyof typeof dialects;

/** Tried in this order when a reader names no dialect. Not `ibm-cca`: it would read what none of the others would. */
const recognised: readonly DialectName[] = ['strict', 'annex-b-2019', 'aws'];

/** Whether the dialect writes this deviation. */
export function writes(dialect: DialectName, deviation: Deviation): boolean {
  const written: readonly Deviation[] = dialects[dialect].writes;
  return written.includes(deviation);
}

/** One token being read: each deviation met strikes out the dialects that do not have it. */
export class Reading {
  readonly #met = new Set<Deviation>();
  readonly #named: boolean;
  #left: readonly DialectName[];

  /** @param dialect the one to read by; left out: `strict`, `annex-b-2019` or `aws`, whichever fits. */
  constructor(dialect?: DialectName) {
    this.#named = dialect !== undefined;
    this.#left = dialect ? [dialect] : recognised;
  }

  get deviations(): Deviation[] {
    return [...this.#met];
  }

  /** The first dialect that has every deviation met. */
  get dialect(): DialectName {
    return this.#left[0] as DialectName;
  }

  /** Throws TR34_DIALECT when no dialect is left. */
  meet(deviation: Deviation): void {
    this.#met.add(deviation);
    this.#keep(deviation, (dialect) => (dialect.reads as readonly Deviation[]).includes(deviation));
  }

  /** Version and signature algorithm are not signed: who writes 1 reads only 1, or a flipped bit would go unseen. */
  meetVersion(version: number): void {
    this.#meetExactly('signed-data-version-1', version === 1);
  }

  /** Either is read where the dialect is named; where it is to be recognised, the algorithm tells it. */
  meetSignatureAlgorithm(isRsaEncryption: boolean): void {
    if (this.#named && !isRsaEncryption) return;
    this.#meetExactly('rsa-encryption-as-signature-algorithm', isRsaEncryption);
  }

  #meetExactly(deviation: Deviation, met: boolean): void {
    if (met) this.meet(deviation);
    else this.#keep(deviation, (dialect) => !dialect.writes.includes(deviation));
  }

  #keep(deviation: Deviation, has: (dialect: Dialect) => boolean): void {
    const left = this.#left.filter((name) => has(dialects[name]));
    if (left.length === 0) {
      throw new Tr34Error(
        'TR34_DIALECT',
        `${this.#left.join(', ')}: expected otherwise: ${deviations[deviation]}`,
      );
    }
    this.#left = left;
  }
}
