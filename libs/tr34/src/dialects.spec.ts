/** Each dialect written, read back, and refused where another is asked for. */
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  at,
  bytes,
  caSigner,
  certificates,
  decryptor,
  hex,
  kdhCrl,
  kdhSigner,
  keys,
  krd,
  nonce,
  outstanding,
  refusal,
  trust,
} from '../test/pki.ts';
import { derOrder, encode, openDer, readDer, tags } from './der.ts';
import { Reading } from './dialects.ts';
import { encryptContent } from './envelope.ts';
import { buildEnvelopedData, type ContentCipher, contentCiphers } from './enveloped-data.ts';
import {
  acceptKdhCredential,
  acceptKrdCredential,
  buildKdhCredentialToken,
  buildKrdCredentialToken,
  type Deviation,
  type DialectName,
  describeToken,
  dialects,
  issuerAndSerialNumber,
  makeCaRebindToken,
  makeCaUnbindToken,
  makeKeyToken,
  makeRebindToken,
  makeUnbindToken,
  openCaRebindToken,
  openCaUnbindToken,
  openKeyToken,
  openRebindToken,
  openUnbindToken,
} from './index.ts';
import { buildKeyBlock } from './key-block.ts';
import { buildSignedToken, parseSignedToken } from './signed-data.ts';
import { attributesOf, signToken } from './signing.ts';

const names = Object.keys(dialects) as DialectName[];
const ciphers = Object.keys(contentCiphers) as ContentCipher[];
const key = bytes('00112233445566778899AABBCCDDEEFF');
const order = {
  key,
  header: 'D0000K1AD00N0000',
  krdCertificate: certificates.krd,
  trust,
  nonce,
  crl: kdhCrl,
};
const identifiers = {
  krd: issuerAndSerialNumber(certificates.krd),
  kdh: issuerAndSerialNumber(certificates.kdh),
};
const newKdhCertificate = certificates.newKdh;
const written = (dialect: DialectName): readonly Deviation[] => dialects[dialect].writes;
const open = (token: Uint8Array, dialect?: DialectName) =>
  openKeyToken(token, { ...krd, ...(dialect && { dialect }) }, decryptor, { nonces: outstanding(nonce) });

describe.each(names)('%s', (dialect) => {
  test.each(ciphers)('key token in %s', async (contentCipher) => {
    const token = await makeKeyToken({ ...order, contentCipher, dialect }, kdhSigner, randomBytes);
    const opened = await open(token, dialect);
    expect(hex(opened.key)).toBe(hex(key));
    const inKeyTokens = written(dialect).filter((deviation) => {
      if (deviation === 'aes-iv-of-8-bytes') return contentCipher === 'aes-128-cbc';
      return deviation !== 'signed-attributes-absent';
    });
    expect(new Set(opened.deviations)).toEqual(new Set(inKeyTokens));
  });

  test('a reader that names no dialect reads it, too', async () => {
    const token = await makeKeyToken({ ...order, dialect }, kdhSigner, randomBytes);
    expect(hex((await open(token)).key)).toBe(hex(key));
    expect(describeToken(token).dialect).toBe(dialect === 'ibm-cca' ? 'strict' : fits(dialect));
  });

  test('credential tokens', () => {
    const ctKdh = buildKdhCredentialToken(certificates.kdh, kdhCrl, dialect);
    expect(acceptKdhCredential(ctKdh, trust, dialect).token.dialect).toBe(dialect);
    const ctKrd = buildKrdCredentialToken(certificates.krd, [], dialect);
    expect(acceptKrdCredential(ctKrd, trust, dialect).token.dialect).toBe(dialect);
  });

  test('unbind and rebind', async () => {
    const reader = { ...krd, dialect };
    const byKdh = { ...identifiers, nonce, crl: kdhCrl, dialect };
    const byCa = { ...identifiers, signingTime: at, dialect };
    const outstandingNonce = () => outstanding(nonce);
    await openUnbindToken(await makeUnbindToken(byKdh, kdhSigner), reader, outstandingNonce());
    const rebind = await makeRebindToken({ ...byKdh, newKdhCertificate }, kdhSigner);
    const { newKdh } = await openRebindToken(rebind, reader, outstandingNonce());
    expect(newKdh.certificate.der).toEqual(newKdhCertificate);
    const caUnbind = await makeCaUnbindToken(byCa, caSigner);
    const { deviations, signingTime } = openCaUnbindToken(caUnbind, reader, certificates.krdCa);
    const bare = written(dialect).includes('signed-attributes-absent');
    expect(deviations.includes('signed-attributes-absent')).toBe(bare);
    expect(signingTime).toEqual(bare ? undefined : at);
    const caRebind = await makeCaRebindToken({ ...byCa, newKdhCertificate }, caSigner);
    expect(openCaRebindToken(caRebind, reader, certificates.krdCa).newKdh.certificate.der).toEqual(
      newKdhCertificate,
    );
  });

  test('any key, header, nonce and time come back', async () => {
    const lengths: Record<string, number[]> = { A: [16, 24, 32], T: [16, 24], D: [8], H: [1, 20, 64] };
    const anyKey = fc.constantFrom(...Object.keys(lengths)).chain((algorithm) =>
      fc.constantFrom(...(lengths[algorithm] as number[])).chain((length) =>
        fc.record({
          algorithm: fc.constant(algorithm),
          key: fc.uint8Array({ minLength: length, maxLength: length }),
        }),
      ),
    );
    const options = {
      given: anyKey,
      blocks: fc.stringMatching(/^[ -~]{0,64}$/),
      nonce: fc.uint8Array({ minLength: 8, maxLength: 16 }),
      seconds: fc.option(fc.integer({ min: 0, max: 4_000_000_000 }), { nil: undefined }),
      contentCipher: fc.constantFrom(...ciphers),
    };
    await fc.assert(
      fc.asyncProperty(fc.record(options), async ({ given, blocks, nonce, seconds, contentCipher }) => {
        const header = `D0000K1${given.algorithm}D00N0000${blocks}`;
        const signingTime = seconds === undefined ? undefined : new Date(seconds * 1000);
        const changes = {
          key: given.key,
          header,
          nonce,
          contentCipher,
          dialect,
          ...(signingTime && { signingTime }),
        };
        const token = await makeKeyToken({ ...order, ...changes }, kdhSigner, randomBytes);
        const opened = await openKeyToken(token, { ...krd, dialect }, decryptor, {
          nonces: outstanding(nonce),
        });
        expect(opened).toMatchObject({ key: given.key, header });
        expect(opened.signingTime).toEqual(signingTime);
      }),
      { numRuns: 40 },
    );
  });
});

/** `aws` writes nothing that is not in Annex B, which comes first. */
const fits = (dialect: DialectName): DialectName => (dialect === 'aws' ? 'annex-b-2019' : dialect);

test.each([
  ['strict', 'annex-b-2019'],
  ['strict', 'aws'],
  ['annex-b-2019', 'strict'],
  ['annex-b-2019', 'aws'],
  ['aws', 'strict'],
] as const)('written in %s, refused in %s', async (dialect, reader) => {
  const token = await makeKeyToken({ ...order, dialect }, kdhSigner, randomBytes);
  expect(await refusal(() => open(token, reader))).toBe('TR34_DIALECT');
});

test.each(names)('%s is read in ibm-cca', async (dialect) => {
  const token = await makeKeyToken({ ...order, dialect }, kdhSigner, randomBytes);
  expect(hex((await open(token, 'ibm-cca')).key)).toBe(hex(key));
});

test('ibm-cca makes no token of the KDH without the CRL', async () => {
  const bare = { ...order, crl: undefined, dialect: 'ibm-cca' as const };
  expect(await refusal(() => makeKeyToken(bare, kdhSigner, randomBytes))).toBe('TR34_CRL_ABSENT');
  const unbind = { ...identifiers, nonce, dialect: 'ibm-cca' as const };
  expect(await refusal(() => makeUnbindToken(unbind, kdhSigner))).toBe('TR34_CRL_ABSENT');
});

test('B.9: attributes that are not sorted verify over the bytes as encoded', async () => {
  const token = await makeKeyToken({ ...order, dialect: 'annex-b-2019' }, kdhSigner, randomBytes);
  const { signer } = parseSignedToken(token, new Reading('annex-b-2019'));
  const list = openDer(encode(tags.set, signer?.attributeBytes as Uint8Array), tags.set, 'attributes');
  const attributes = list.rest(tags.sequence, 'attribute').map(({ bytes }) => bytes);
  expect(attributes).not.toEqual(derOrder(attributes));
  expect((await open(token)).deviations).not.toContain('signed-over-sorted-attributes');
});

test('attributes that are sent in one order and signed in the other (BouncyCastle)', async () => {
  const token = await makeKeyToken({ ...order, dialect: 'annex-b-2019' }, kdhSigner, randomBytes);
  const parts = parseSignedToken(token, new Reading('annex-b-2019'));
  const { attributes, attributeBytes } = parts.signer as NonNullable<typeof parts.signer>;
  const { contentType, messageDigest: _, ...rest } = attributes as NonNullable<typeof attributes>;
  const sorted = attributesOf(
    { contentType, content: parts.content as Uint8Array, attributes: rest },
    'strict',
  );
  const signer = { identifier: identifiers.kdh, attributeBytes, signature: await kdhSigner.sign(sorted) };
  const mixed = buildSignedToken({ ...parts, signer } as never, 'annex-b-2019');
  expect((await open(mixed)).deviations).toContain('signed-over-sorted-attributes');
  expect(await refusal(() => open(mixed, 'aws'))).toBe('TR34_DIALECT');
});

test('annex-b-2019: an AES IV of 8 bytes stands for these and 8 zero bytes', async () => {
  const token = await makeKeyToken({ ...order, dialect: 'annex-b-2019' }, kdhSigner, randomBytes);
  // SEQUENCE { aes128-CBC, OCTET STRING of 8 bytes, [0] … }
  expect(hex(token)).toMatch(/060960864801650304010204 ?08/);
  expect((await open(token)).deviations).toContain('aes-iv-of-8-bytes');
});

test('aws: content that fills its last block, without padding', async () => {
  const longer = [0, 1, 2, 3, 4, 5, 6, 7].map((more) => ({
    kdh: identifiers.kdh,
    key,
    header: order.header + '0'.repeat(more),
  }));
  const block = longer.find((one) => buildKeyBlock(one, 'aws').length % 8 === 0);
  if (!block) throw new Error('no header fills the block');
  const cipher = 'des-ede3-cbc';
  const plaintext = buildKeyBlock(block, 'aws');
  const padded = encryptContent(plaintext, cipher, keys.krd, randomBytes, false);
  // CBC: what comes before the block of padding decrypts by itself.
  const encrypted = { ...padded, encryptedContent: padded.encryptedContent.subarray(0, plaintext.length) };
  const envelope = buildEnvelopedData({ recipient: identifiers.krd, cipher, ...encrypted }, 'aws');
  const { content } = readDer(envelope, tags.sequence, 'EnvelopedData');
  const attributes = { nonce, keyBlockHeader: block.header };
  const signed = { contentType: '1.2.840.113549.1.7.3', content, attributes, crl: kdhCrl };
  const token = await signToken(signed, kdhSigner, 'aws');
  expect((await open(token)).deviations).toContain('padding-absent');
  expect(await open(token)).toMatchObject({ dialect: 'aws' });
  expect(await refusal(() => open(token, 'ibm-cca'))).toBe('TR34_DIALECT');
});

test('aws: either signature algorithm is read where the dialect is named', async () => {
  const token = Buffer.from(await makeKeyToken({ ...order, dialect: 'aws' }, kdhSigner, randomBytes));
  // rsaEncryption, NULL, before the signature of 256 bytes; sha256WithRSAEncryption differs in the last octet.
  const at = token.lastIndexOf(Buffer.from('2A864886F70D0101010500', 'hex'));
  token[at + 8] = 0x0b;
  expect(await open(token, 'aws')).toMatchObject({ key, dialect: 'aws' });
  expect(await refusal(() => open(token))).toBe('TR34_DIALECT');
});

test('a dialect is data: what it writes, it reads', () => {
  for (const { writes, reads } of Object.values(dialects)) {
    expect(reads).toEqual(expect.arrayContaining([...writes]));
  }
});
