/** Any bytes in: a result or a Tr34Error, nothing else. A short run; the seed of a failure is printed. */
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  bytes,
  certificates,
  clover,
  decryptor,
  kdhCrl,
  kdhSigner,
  keys,
  krd,
  nonce,
  trust,
} from '../test/pki.ts';
import { Reading } from './dialects.ts';
import { importRsaPublicKey } from './envelope.ts';
import {
  assembleKeyToken,
  describeToken,
  exportKey,
  issuerAndSerialNumber,
  makeKeyToken,
  openCaRebindToken,
  openCaUnbindToken,
  openKeyToken,
  openRebindToken,
  openUnbindToken,
  parseCertificate,
  parseCredentialToken,
  parseCrl,
  parseKeyToken,
  parseRandomToken,
  rsaPublicKey,
  Tr34Error,
  verifyToken,
} from './index.ts';
import { parseKeyBlock } from './key-block.ts';

const nonces = { take: () => true };
const header = 'D0000K1AD00N0000';
const dialectTokens = await Promise.all(
  (['strict', 'annex-b-2019', 'aws', 'ibm-cca'] as const).map((dialect) => {
    const order = {
      key: randomBytes(16),
      header,
      krdCertificate: certificates.krd,
      trust,
      nonce,
      crl: kdhCrl,
      dialect,
    };
    return makeKeyToken(order, kdhSigner, randomBytes);
  }),
);
const parts = exportKey(
  {
    key: randomBytes(16),
    header,
    nonce,
    kdh: issuerAndSerialNumber(certificates.kdh),
    krd: issuerAndSerialNumber(certificates.krd),
    krdPublicKey: rsaPublicKey(certificates.krd),
  },
  () => new Uint8Array(256),
  randomBytes,
);

/** Everything that reads what others sent. */
const readers: Record<string, (input: Uint8Array) => unknown> = {
  describeToken: (input) => describeToken(input),
  parseCredentialToken: (input) => parseCredentialToken(input),
  parseRandomToken,
  parseKeyToken: (input) => parseKeyToken(input, 'ibm-cca'),
  parseCertificate,
  parseCrl,
  rsaPublicKey,
  issuerAndSerialNumber,
  importRsaPublicKey,
  verifyToken: (input) => verifyToken(input, certificates.kdh),
  verifyTokenByCertificate: (input) => verifyToken(dialectTokens[0] as Uint8Array, input),
  parseKeyBlock: (input) => parseKeyBlock(input, 16, new Reading()),
  assembleAttributes: (authenticatedAttributes) =>
    assembleKeyToken({ ...parts, signer: krdId, authenticatedAttributes }),
  assembleEnvelope: (envelopedData) => assembleKeyToken({ ...parts, signer: krdId, envelopedData }),
  assembleSigner: (signer) => assembleKeyToken({ ...parts, signer }),
  openKeyToken: (input) => openKeyToken(input, krd, decryptor, { nonces }),
  openUnbindToken: (input) => openUnbindToken(input, krd, nonces),
  openRebindToken: (input) => openRebindToken(input, krd, nonces),
  openCaUnbindToken: (input) => openCaUnbindToken(input, krd, certificates.krdCa),
  openCaRebindToken: (input) => openCaRebindToken(input, krd, certificates.krdCa),
};
const krdId = issuerAndSerialNumber(certificates.krd);

const samples = [
  ...clover.tokens.map(({ derHex }) => bytes(derHex)),
  ...dialectTokens,
  ...Object.values(certificates),
  kdhCrl,
  parts.authenticatedAttributes,
  parts.envelopedData,
  krdId,
  rsaPublicKey(certificates.krd),
  Uint8Array.from(keys.krd.export({ format: 'der', type: 'pkcs1' })),
];

/** A sample with a few octets overwritten, cut out or put in, where DER keeps its tags and lengths or anywhere. */
const mutated = fc
  .tuple(
    fc.constantFrom(...samples),
    fc.array(
      fc.record({
        at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        cut: fc.nat({ max: 3 }),
        put: fc.oneof(fc.uint8Array({ maxLength: 3 }), fc.constantFrom(...samples)),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  )
  .map(([sample, edits]) => {
    let input = sample;
    for (const { at, cut, put } of edits) {
      const offset = Math.floor(at * input.length);
      input = Uint8Array.from([...input.subarray(0, offset), ...put, ...input.subarray(offset + cut)]);
    }
    return input;
  });

/** Values nested as DER, with tags that occur in tokens. */
const nested = fc.letrec<{ der: Uint8Array }>((tie) => ({
  der: fc
    .tuple(
      fc.constantFrom(0x02, 0x03, 0x04, 0x05, 0x06, 0x17, 0x30, 0x31, 0x80, 0xa0, 0xa1, 0xa3),
      fc.oneof(
        { depthSize: 'small' },
        fc.uint8Array({ maxLength: 20 }),
        fc.array(tie('der'), { maxLength: 5 }),
      ),
    )
    .map(([tag, content]) => {
      const inner = content instanceof Uint8Array ? content : Buffer.concat(content);
      const length = inner.length < 0x80 ? [inner.length] : [0x82, inner.length >> 8, inner.length & 0xff];
      return Uint8Array.from([tag, ...length, ...inner]);
    }),
})).der;

describe.each(Object.keys(readers))('%s', (name) => {
  const read = readers[name] as (input: Uint8Array) => unknown;

  test.each([
    ['random bytes', fc.uint8Array({ maxLength: 300 })],
    ['nested values', nested],
    ['mutated samples', mutated],
  ])('%s', async (_, inputs) => {
    await fc.assert(
      fc.asyncProperty(inputs, async (input) => {
        try {
          await read(input);
        } catch (error) {
          expect(error).toBeInstanceOf(Tr34Error);
        }
      }),
      { numRuns: 150 },
    );
  });
});
