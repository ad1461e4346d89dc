/** A key token refused for every reason that TR-34 names. */
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import {
  at,
  bytes,
  certificates,
  decryptor,
  expires,
  hex,
  issueCertificate,
  issueCrl,
  issued,
  kdhCrl,
  kdhProfile,
  kdhSigner,
  keyOfSize,
  keys,
  krd,
  krdCrl,
  krdProfile,
  nonce,
  outstanding,
  refusal,
  trust,
} from '../test/pki.ts';
import { buildAttributes } from './attributes.ts';
import { encode, readDer, tags } from './der.ts';
import { Reading } from './dialects.ts';
import { encryptContent } from './envelope.ts';
import { buildEnvelopedData } from './enveloped-data.ts';
import {
  issuerAndSerialNumber,
  type KeyOrder,
  localDecryptor,
  localSigner,
  makeKeyToken,
  openKeyToken,
  purposes,
} from './index.ts';
import { buildKeyBlock } from './key-block.ts';
import { buildSignedToken, parseSignedToken, sha256 } from './signed-data.ts';
import { signToken } from './signing.ts';

const key = bytes('00112233445566778899AABBCCDDEEFF');
const header = 'D0000K1AD00N0000';
const order: KeyOrder = { key, header, krdCertificate: certificates.krd, trust, nonce, crl: kdhCrl };
const token = await makeKeyToken(order, kdhSigner, randomBytes);
const onePass = await makeKeyToken({ ...order, nonce: undefined, signingTime: at }, kdhSigner, randomBytes);
const bare = await makeKeyToken({ ...order, crl: undefined }, kdhSigner, randomBytes);

const open = (given: Uint8Array, changes: Partial<typeof krd> = {}, nonces = outstanding(nonce)) =>
  openKeyToken(given, { ...krd, ...changes }, decryptor, { nonces });
const withTrust = (changes: Partial<typeof trust>) => ({ trust: { ...trust, ...changes } });
const withCrls = (...crls: Uint8Array[]) => withTrust({ revocation: { crls, whenAbsent: 'refuse' } });

/** A token that says something else than `makeKeyToken` would: what is inside, and whom it is for. */
async function forge(changes: {
  kdh?: Uint8Array;
  key?: Uint8Array;
  headerInside?: string;
  header?: string;
  recipient?: Uint8Array;
  plaintext?: Uint8Array;
}): Promise<Uint8Array> {
  const kdh = changes.kdh ?? issuerAndSerialNumber(certificates.kdh);
  const keyBlock = buildKeyBlock(
    { kdh, key: changes.key ?? key, header: changes.headerInside ?? header },
    'strict',
  );
  const cipher = 'aes-128-cbc';
  const encrypted = encryptContent(changes.plaintext ?? keyBlock, cipher, keys.krd, randomBytes, false);
  const recipient = changes.recipient ?? issuerAndSerialNumber(certificates.krd);
  const content = buildEnvelopedData({ recipient, cipher, ...encrypted }, 'strict');
  const attributes = { nonce, keyBlockHeader: changes.header ?? header };
  return signToken({ contentType: '1.2.840.113549.1.7.3', content, attributes }, kdhSigner, 'strict');
}

test('the token as it is opens', async () => {
  const opened = await open(token);
  expect(hex(opened.key)).toBe(hex(key));
  expect(opened).toMatchObject({ header, usage: 'K1', algorithm: 'A', modeOfUse: 'D', exportability: 'N' });
  expect(opened).toMatchObject({
    revocationChecked: true,
    dialect: 'strict',
    deviations: [],
    signingTime: undefined,
  });
  expect(opened.crlsSeen).toContainEqual(expect.objectContaining({ thisUpdate: issued, number: 1n }));
});

describe('signer', () => {
  test('is not the bound KDH', async () => {
    const other = await makeKeyToken(order, localSigner(certificates.newKdh, keys.newKdh), randomBytes);
    expect(await refusal(() => open(other))).toBe('TR34_SIGNER_UNKNOWN');
  });

  test('names the bound KDH and is another', async () => {
    const other = await makeKeyToken(order, localSigner(certificates.kdh, keys.newKdh), randomBytes);
    expect(await refusal(() => open(other))).toBe('TR34_SIGNATURE_INVALID');
  });

  test('is a KRD under the same root that acts as KDH', async () => {
    const rogue = issueCertificate({ subject: 'Rogue', key: keys.newKdh, ...krdProfile });
    const other = await makeKeyToken(order, localSigner(rogue, keys.newKdh), randomBytes);
    expect(await refusal(() => open(other, { kdhCertificate: rogue }))).toBe('TR34_CERTIFICATE_ROLE');
  });

  test('has a certificate of another root', async () => {
    const anchors = [
      issueCertificate({ subject: 'Root', issuer: 'Root', key: keys.krd, issuerKey: keys.krd, ca: true }),
    ];
    expect(await refusal(() => open(token, withTrust({ anchors })))).toBe('TR34_CERTIFICATE_UNTRUSTED');
  });

  test.each([
    ['expired', new Date(+expires + 1000)],
    ['not yet valid', new Date(+issued - 1000)],
  ])('has a certificate that is %s', async (_, when) => {
    expect(await refusal(() => open(token, withTrust({ at: when })))).toBe('TR34_CERTIFICATE_EXPIRED');
  });

  test('has a certificate that was revoked', async () => {
    const revoking = issueCrl({
      issuer: 'KDH CA',
      key: keys.kdhCa,
      revoked: [certificates.newKdh, certificates.kdh],
    });
    expect(await refusal(() => open(token, withCrls(revoking)))).toBe('TR34_CERTIFICATE_REVOKED');
  });

  test('is missing', async () => {
    const { signer: _, ...unsigned } = parseSignedToken(token, new Reading('strict'));
    expect(await refusal(() => open(buildSignedToken(unsigned, 'strict')))).toBe('TR34_MALFORMED');
  });
});

describe('CRL', () => {
  test('is absent', async () => {
    expect(await refusal(() => open(bare, withCrls()))).toBe('TR34_CRL_ABSENT');
  });

  test('of another issuer does not count', async () => {
    expect(await refusal(() => open(bare, withCrls(krdCrl)))).toBe('TR34_CRL_ABSENT');
  });

  test('may be absent where the caller accepts that, and the answer says so', async () => {
    const accepting = withTrust({ revocation: { whenAbsent: 'accept' } });
    expect(await open(bare, accepting)).toMatchObject({ revocationChecked: false, crlsSeen: [] });
  });

  test('is expired', async () => {
    const stale = issueCrl({ issuer: 'KDH CA', key: keys.kdhCa, nextUpdate: at });
    expect(await refusal(() => open(token, withCrls(stale)))).toBe('TR34_CRL_STALE');
  });

  test('is older than the last one seen, by time or by number', async () => {
    const { crlsSeen } = await open(token);
    const after = (change: object) =>
      withTrust({
        revocation: { whenAbsent: 'refuse', lastSeen: crlsSeen.map((seen) => ({ ...seen, ...change })) },
      });
    expect(await refusal(() => open(token, after({})))).toBe('accepted');
    expect(await refusal(() => open(token, after({ thisUpdate: new Date(+issued + 1000) })))).toBe(
      'TR34_CRL_OLDER',
    );
    expect(await refusal(() => open(token, after({ number: 2n })))).toBe('TR34_CRL_OLDER');
    const lastSeen = [...crlsSeen, ...crlsSeen.map((seen) => ({ ...seen, number: 2n }))];
    const several = withTrust({ revocation: { whenAbsent: 'refuse', lastSeen } });
    expect(await refusal(() => open(token, several))).toBe('TR34_CRL_OLDER');
  });

  test('in the token is not that of a CA in the path', async () => {
    const foreign = await makeKeyToken({ ...order, crl: krdCrl }, kdhSigner, randomBytes);
    expect(await refusal(() => open(foreign))).toBe('TR34_CRL_INVALID');
  });
});

describe('signature', () => {
  const { signer, content, ...rest } = parseSignedToken(token, new Reading('strict'));
  const identifier = issuerAndSerialNumber(certificates.kdh);

  /** The token with attributes of one's own, signed by the KDH. */
  const signed = async (attributes: Parameters<typeof buildAttributes>[0]) => {
    const set = buildAttributes(attributes, 'strict');
    const attributeBytes = readDer(set, tags.set, 'attributes').content;
    const own = { identifier, attributeBytes, signature: await kdhSigner.sign(set) };
    return buildSignedToken({ ...rest, content: content as Uint8Array, signer: own }, 'strict');
  };
  const attributes = signer?.attributes as NonNullable<NonNullable<typeof signer>['attributes']>;

  test('over the attributes as they are', async () => {
    expect(await refusal(async () => open(await signed(attributes)))).toBe('accepted');
  });

  test('over another content type', async () => {
    const other = signed({ ...attributes, contentType: '1.2.840.113549.1.7.1' });
    expect(await refusal(async () => open(await other))).toBe('TR34_SIGNATURE_INVALID');
  });

  test('over the digest of another content', async () => {
    const other = signed({ ...attributes, messageDigest: sha256(new Uint8Array(0)) });
    expect(await refusal(async () => open(await other))).toBe('TR34_SIGNATURE_INVALID');
  });
});

describe('recipient', () => {
  test('is another KRD', async () => {
    const other = await forge({ recipient: issuerAndSerialNumber(certificates.otherKrd) });
    expect(await refusal(() => open(other))).toBe('TR34_RECIPIENT_OTHER');
  });

  test('has another private key', async () => {
    const wrong = localDecryptor(keys.newKdh);
    const opening = () => openKeyToken(token, krd, wrong, { nonces: outstanding(nonce) });
    expect(await refusal(opening)).toBe('TR34_UNWRAP_FAILED');
  });
});

describe('two-pass', () => {
  test('a nonce that is not outstanding', async () => {
    expect(await refusal(() => open(token, {}, outstanding(nonce.subarray(0, 8))))).toBe(
      'TR34_NONCE_REFUSED',
    );
  });

  test('a nonce that was used', async () => {
    const nonces = outstanding(nonce);
    await open(token, {}, nonces);
    expect(await refusal(() => open(token, {}, nonces))).toBe('TR34_NONCE_REFUSED');
  });

  test('no nonce', async () => {
    expect(await refusal(() => open(onePass))).toBe('TR34_NONCE_REFUSED');
  });

  test('a token that is refused for its signer leaves the nonce outstanding', async () => {
    const nonces = outstanding(nonce);
    const other = await makeKeyToken(order, localSigner(certificates.kdh, keys.newKdh), randomBytes);
    await refusal(() => open(other, {}, nonces));
    expect(await refusal(() => open(token, {}, nonces))).toBe('accepted');
  });

  test.each([7, 17])('a nonce of %d bytes cannot be sent', async (length) => {
    const making = () => makeKeyToken({ ...order, nonce: new Uint8Array(length) }, kdhSigner, randomBytes);
    expect(await refusal(making)).toBe('TR34_NONCE_LENGTH');
  });
});

describe('one-pass', () => {
  const second = 1000;
  const openAfter = (after: number, until: number, given = onePass) =>
    openKeyToken(given, krd, decryptor, {
      signedAfter: new Date(+at + after),
      signedUntil: new Date(+at + until),
    });

  test('a time in the window opens and is told', async () => {
    expect((await openAfter(-second, 0)).signingTime).toEqual(at);
  });

  test('a time not after the last one taken', async () => {
    expect(await refusal(() => openAfter(0, second))).toBe('TR34_TIME_REFUSED');
  });

  test('a time of the future', async () => {
    expect(await refusal(() => openAfter(-2 * second, -second))).toBe('TR34_TIME_REFUSED');
  });

  test('a nonce where none was asked for', async () => {
    expect(await refusal(() => openAfter(-second, second, token))).toBe('TR34_NONCE_REFUSED');
  });

  test('no time', async () => {
    const timeless = await forge({});
    const { signer, content, contentType } = parseSignedToken(timeless, new Reading('strict'));
    expect(signer?.attributes?.signingTime).toBeUndefined();
    const signed = { contentType, content: content as Uint8Array, attributes: { keyBlockHeader: header } };
    const neither = await signToken(signed, kdhSigner, 'strict');
    expect(await refusal(() => openAfter(-second, second, neither))).toBe('TR34_TIME_REFUSED');
  });
});

test('a caller may leave freshness unchecked', async () => {
  expect(hex((await openKeyToken(token, krd, decryptor, 'unchecked')).key)).toBe(hex(key));
});

describe('key block', () => {
  test.each([
    ['usage', 'D0000P0AD00N0000'],
    ['exportability', 'D0000K1AD00E0000'],
    ['length field', 'D0256K1AD00N0000'],
    ['an optional block', 'D0000K1AD00N0100KS1800604B120F9292800000'],
  ])('a header inside that differs in %s', async (_, headerInside) => {
    expect(await refusal(async () => open(await forge({ headerInside })))).toBe('TR34_HEADER_MISMATCH');
  });

  test('another KDH inside', async () => {
    const kdh = issuerAndSerialNumber(certificates.newKdh);
    expect(await refusal(async () => open(await forge({ kdh })))).toBe('TR34_KEY_BLOCK_SIGNER');
  });

  test.each([
    ['A', 8],
    ['A', 17],
    ['T', 8],
    ['T', 32],
    ['D', 16],
    ['H', 0],
  ])('algorithm %s with %d bytes, sent or received', async (algorithm, length) => {
    const header = `D0000K1${algorithm}D00N0000`;
    const wrong = { key: new Uint8Array(length), header };
    expect(await refusal(async () => open(await forge({ ...wrong, headerInside: header })))).toBe(
      'TR34_KEY_LENGTH',
    );
    expect(await refusal(() => makeKeyToken({ ...order, ...wrong }, kdhSigner, randomBytes))).toBe(
      'TR34_KEY_LENGTH',
    );
  });

  test('text in place of a key is not sent, also of as many digits as a key has bytes', async () => {
    const key = '0011223344556677' as unknown as Uint8Array;
    expect(await refusal(() => makeKeyToken({ ...order, key }, kdhSigner, randomBytes))).toBe(
      'TR34_KEY_LENGTH',
    );
  });

  test('a header of 15 characters, or with one that does not print, cannot be sent', async () => {
    for (const header of ['D0000K1AD00N000', 'D0000K1AD00N000\n', 'D0000K1AD00N000é']) {
      expect(await refusal(() => makeKeyToken({ ...order, header }, kdhSigner, randomBytes))).toBe(
        'TR34_HEADER_INVALID',
      );
    }
  });

  test('anything but a key block in the envelope is one and the same refusal', async () => {
    const block = buildKeyBlock({ kdh: issuerAndSerialNumber(certificates.kdh), key, header }, 'strict');
    const wrongVersion = Uint8Array.from(block);
    wrongVersion[4] = 2;
    const { content } = readDer(block, tags.sequence, 'block');
    const tooLong = encode(tags.sequence, content, Uint8Array.of(5, 0));
    for (const plaintext of [new Uint8Array(0), randomBytes(40), block.subarray(1), wrongVersion, tooLong]) {
      expect(await refusal(async () => open(await forge({ plaintext })))).toBe('TR34_UNWRAP_FAILED');
    }
  });
});

describe('RSA', () => {
  test.each([3072, 4096] as const)('%d bits, both roles', async (bits) => {
    const big = keyOfSize(bits);
    const kdh = issueCertificate({ subject: 'Big KDH', key: big, ...kdhProfile });
    const terminal = issueCertificate({ subject: 'Big', key: big, ...krdProfile });
    const given = await makeKeyToken(
      { ...order, krdCertificate: terminal },
      localSigner(kdh, big),
      randomBytes,
    );
    const bigKrd = { ...krd, certificate: terminal, kdhCertificate: kdh };
    const opened = await openKeyToken(given, bigKrd, localDecryptor(big), { nonces: outstanding(nonce) });
    expect(hex(opened.key)).toBe(hex(key));
  });

  test.each([2047, 4104] as const)('%d bits are refused', async (bits) => {
    const krdCertificate = issueCertificate({ subject: 'Odd', key: keyOfSize(bits), ...krdProfile });
    const making = () => makeKeyToken({ ...order, krdCertificate }, kdhSigner, randomBytes);
    expect(await refusal(making)).toBe('TR34_CERTIFICATE_KEY');
  });
});

describe('the KDH refuses a KRD certificate', () => {
  const make = (changes: Partial<KeyOrder>) =>
    refusal(() => makeKeyToken({ ...order, ...changes } as KeyOrder, kdhSigner, randomBytes));

  test('of another root', async () => {
    const anchors = [
      issueCertificate({ subject: 'Root', issuer: 'Root', key: keys.krd, issuerKey: keys.krd, ca: true }),
    ];
    expect(await make({ trust: { ...trust, anchors } })).toBe('TR34_CERTIFICATE_UNTRUSTED');
  });

  test('that was revoked', async () => {
    const crls = [issueCrl({ issuer: 'KRD CA', key: keys.krdCa, revoked: [certificates.krd] })];
    expect(await make({ trust: { ...trust, revocation: { crls, whenAbsent: 'refuse' } } })).toBe(
      'TR34_CERTIFICATE_REVOKED',
    );
  });

  test('that expired', async () => {
    expect(await make({ trust: { ...trust, at: new Date(+expires + 1000) } })).toBe(
      'TR34_CERTIFICATE_EXPIRED',
    );
  });

  test('without the KRD role', async () => {
    expect(await make({ krdCertificate: certificates.newKdh })).toBe('TR34_CERTIFICATE_ROLE');
    const both = { ...krdProfile, extendedKeyUsage: [purposes.krdEncryption, purposes.kdhSigning] };
    const doubled = issueCertificate({ subject: 'Both', key: keys.krd, ...both });
    expect(await make({ krdCertificate: doubled })).toBe('TR34_CERTIFICATE_ROLE');
  });
});

test('keys that this package owns are wiped', async () => {
  const contentKeys: Uint8Array[] = [];
  const watched = {
    decrypt: async (encrypted: Uint8Array) => {
      const contentKey = await decryptor.decrypt(encrypted);
      contentKeys.push(contentKey);
      return contentKey;
    },
  };
  await openKeyToken(token, krd, watched, 'unchecked');
  const random = (length: number) => {
    const drawn = Uint8Array.from(randomBytes(length));
    if (length === 24) contentKeys.push(drawn);
    return drawn;
  };
  await makeKeyToken({ ...order, contentCipher: 'des-ede3-cbc' }, kdhSigner, random);
  expect(contentKeys.map(({ length }) => length)).toEqual([16, 24]);
  expect(contentKeys.every((contentKey) => contentKey.every((octet) => octet === 0))).toBe(true);
});

test('the message of a refusal has no byte of a key', async () => {
  const wrong = await forge({ key: bytes('DEADBEEFDEADBEEFDE') });
  await expect(open(wrong)).rejects.toThrow('algorithm A: expected 16 or 24 or 32 bytes, got 9');
});
