import { createPrivateKey, createPublicKey, type KeyObject, randomBytes } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { ThalesHeader } from '@openkdh/tr31/thales';
import { type KeyOrder, localSigner, makeKeyToken, parseRandomToken } from '@openkdh/tr34';
import {
  certificates,
  clover,
  issueCertificate,
  issueCrl,
  kdhCrl,
  kdhSigner,
  keyOfSize,
  keys,
  krdProfile,
  pemToDer,
  rootCrl,
  trust,
  bytes as unhex,
} from '../../../../libs/tr34/test/pki.ts';
import { CeremonyHsm } from '../../../../test/support/ceremony.ts';
import { InProcessHsm } from '../../../../test/support/soft-hsm-in-process.ts';
import { readIntegers, unsignedContent, writeIntegers } from '../asymmetric/der.ts';
import { loadTestLmk } from '../lmk/test-lmks.ts';
import { parseAuthorities, readAuthorities } from '../tr34/authorities.ts';

/** ZR and ZI: the HSM as a KRD, against the KDH of libs/tr34 and the tokens of an independent implementation. */

const lmk = loadTestLmk('AES');
const bytes = (...parts: (string | Uint8Array)[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));
const toPem = (der: Uint8Array) =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----`;

/** A private key under the LMK, as EI of key type 1 gives it. */
function privateKeyBlock(key: KeyObject, changes: Partial<ThalesHeader> = {}): Buffer {
  const pkcs1 = key.export({ format: 'der', type: 'pkcs1' });
  const crt = writeIntegers(
    readIntegers(pkcs1 as Buffer)!
      .slice(4)
      .map(unsignedContent),
  );
  const header: ThalesHeader = {
    ...{ versionId: '1', lmkId: '01', keyUsage: '03', algorithm: 'R', modeOfUse: 'D' },
    ...{ keyVersion: '00', exportability: 'N', optionalBlocks: [] },
    ...changes,
  };
  return bytes('S', lmk.handle.wrapPrivateKey(header, crt));
}

const key = unhex('00112233445566778899AABBCCDDEEFF');
const kcv = '53E107'; // openssl: CMAC over a zero block
const krdKey = privateKeyBlock(keys.krd);

/** An HSM that believes the KDHs that `anchor` has certified. */
function krdHsm(anchor: Uint8Array = certificates.kdhCa): InProcessHsm {
  const hsm = new InProcessHsm();
  hsm.machine.authorities.replace(parseAuthorities({ kdh: [toPem(anchor)] }));
  return hsm;
}

async function freshNonce(hsm: InProcessHsm): Promise<Uint8Array> {
  const answer = await hsm.call('ZR');
  expect(answer.slice(0, 4)).toBe('ZS00');
  return parseRandomToken(Buffer.from(answer.slice(4), 'latin1'));
}

const usualParts = {
  keyType: 'FFF',
  krd: certificates.krd,
  kdh: certificates.kdh,
  token: new Uint8Array() as Uint8Array,
  crls: '0' as string | Uint8Array,
  flag: '99FFFF',
  privateKey: krdKey as Uint8Array,
  end: '',
};
const zi = (changes: Partial<typeof usualParts>) =>
  bytes('ZI', ...Object.values({ ...usualParts, ...changes }));

/** A token of the usual KDH for the usual KRD. */
const keyToken = (changes: Partial<KeyOrder>, signer = kdhSigner) => {
  const usual = { key, header: 'D0000K1AB00E0000', krdCertificate: certificates.krd, trust, crl: kdhCrl };
  return makeKeyToken({ ...usual, ...changes } as KeyOrder, signer, randomBytes);
};

/** What EI answers. */
function keyPairIn(answer: string): { publicKey: KeyObject; privateKey: Buffer } {
  const at = answer.indexOf('FFFFS');
  const der = Buffer.from(answer.slice(4, at), 'latin1');
  const publicKey = createPublicKey({ key: der, format: 'der', type: 'pkcs1' });
  return { publicKey, privateKey: Buffer.from(answer.slice(at + 4), 'latin1') };
}

/** A token for a nonce of the HSM, and what the HSM answers to it. */
async function importing(
  hsm: InProcessHsm,
  order: Partial<KeyOrder> = {},
  changes: Partial<typeof usualParts> = {},
  signer = kdhSigner,
): Promise<string> {
  const nonce = await freshNonce(hsm);
  const token = await keyToken({ nonce, ...order } as KeyOrder, signer);
  return hsm.call(zi({ token, ...changes }));
}

const code = (answer: string) => answer.slice(0, 4);

describe('a key comes by TR-34', () => {
  test.each([
    ['K1', 'A', 'B', 'E'],
    ['K0', 'A', 'N', 'S'],
    ['K1', 'A', 'D', 'N'],
  ])('usage %s, algorithm %s, mode %s, exportability %s: as the KDH has signed', async (...attributes) => {
    const [usage, algorithm, mode, exportability] = attributes;
    const hsm = krdHsm();
    const answer = await importing(hsm, { header: `D0000${usage}${algorithm}${mode}00${exportability}0000` });
    expect(code(answer)).toBe('ZJ00');
    expect(answer.slice(-6)).toBe(kcv);
    const block = answer.slice(4, -6);
    expect(block.slice(6, 13)).toBe(`${usage}${algorithm}${mode}00${exportability}`);
    expect(Buffer.from(lmk.handle.unwrap(block.slice(1)).key)).toEqual(Buffer.from(key));
    expect(await hsm.call(`BUFFF${block}`)).toBe(`BV00${kcv}`);
  });

  test('a TDES key under a TDES content key', async () => {
    const tdes = unhex('0123456789ABCDEFFEDCBA987654321080808080FEFEFEFE');
    const order = { key: tdes, header: 'B0000K0TB00E0000', contentCipher: 'des-ede3-cbc' } as const;
    expect(code(await importing(krdHsm(), order))).toBe('ZJ00');
  });

  test('to a key pair of EI with a request of QE, and the record names private key and key block', async () => {
    const hsm = krdHsm();
    const { publicKey, privateKey } = keyPairIn(await hsm.call('EI1204802#0000'));
    const pkcs1 = publicKey.export({ format: 'der', type: 'pkcs1' });
    const request = await hsm.call(bytes('QE000102', pkcs1, privateKey, '01061krd;;;;;;'));
    expect(code(request)).toBe('QF00');
    const krd = issueCertificate({ subject: 'HSM', key: publicKey, ...krdProfile });
    expect(code(await importing(hsm, { krdCertificate: krd }, { krd, privateKey }))).toBe('ZJ00');
    expect(hsm.entries.at(-1)).toMatchObject({ command: 'ZI', result: '00', keysIn: [expect.any(String)] });
    expect(code(await hsm.call(bytes('EW0601010005hello;99FFFF', privateKey)))).toBe('EXA8');
  });

  test.each(clover.tokens.filter(({ kind }) => kind === 'twoPassKeyToken'))('$id', async (vector) => {
    const certificate = (member: 'kdh1' | 'krd1') => pemToDer(clover.pki[member].certificatePem);
    const hsm = krdHsm(certificate('kdh1')); // its tokens bring no CRL: the one KDH is believed, not its CA
    const { nonce, clearKey, keyBlockHeader } = vector.expected;
    hsm.machine.hosts.get('local')!.outstandingNonces.add(unhex(nonce));
    const privateKey = privateKeyBlock(createPrivateKey(clover.pki.krd1.privateKeyPem));
    const parts = {
      krd: certificate('krd1'),
      kdh: certificate('kdh1'),
      privateKey,
      token: unhex(vector.derHex),
    };
    const answer = await hsm.call(zi(parts));
    expect(code(answer)).toBe('ZJ00');
    const { header, key } = lmk.handle.unwrap(answer.slice(5, -6));
    expect(Buffer.from(key).toString('hex').toUpperCase()).toBe(clearKey);
    expect(`${header.keyUsage}${header.algorithm}${header.modeOfUse}`).toBe(keyBlockHeader.slice(5, 9));
    expect(code(await hsm.call(zi(parts)))).toBe('ZJA4'); // its nonce is used
  });
});

describe('refused', () => {
  const rogue = issueCertificate({ subject: 'Rogue', key: keys.newKdh, ...krdProfile });
  const strangerCa = { subject: 'CA', issuer: 'CA', key: keys.newKdh, issuerKey: keys.newKdh, ca: true };
  const revoking = issueCrl({ issuer: 'KDH CA', key: keys.kdhCa, number: 2, revoked: [certificates.kdh] });

  test('17: no authority of KDHs is installed', async () => {
    expect(code(await importing(new InProcessHsm()))).toBe('ZJ17');
  });

  test.each<[string, string, Partial<KeyOrder>, Partial<typeof usualParts>, typeof kdhSigner?]>([
    ['A4', 'another nonce', { nonce: new Uint8Array(16) }, {}],
    ['A4', 'one pass', { nonce: undefined, signingTime: trust.at } as never, {}],
    ['A4', 'no CRL', { crl: undefined } as never, {}],
    ['A4', 'a CRL in which the KDH stands', { crl: revoking }, {}],
    [
      'A4',
      'a CRL of another CA beside the token',
      { crl: undefined } as never,
      { crls: bytes('1', rootCrl) },
    ],
    ['A4', 'a KRD that acts as KDH', {}, { kdh: rogue }, localSigner(rogue, keys.newKdh)],
    ['A4', 'another KDH than the signer', {}, { kdh: certificates.newKdh }],
    ['A4', 'another KRD', { krdCertificate: certificates.otherKrd }, {}],
    ['49', 'a private key of another KRD', {}, { privateKey: privateKeyBlock(keyOfSize(3072)) }],
    [
      'A8',
      'a private key that only signs',
      {},
      { privateKey: privateKeyBlock(keys.krd, { modeOfUse: 'S' }) },
    ],
    [
      'A6',
      'a private key of another usage',
      {},
      { privateKey: privateKeyBlock(keys.krd, { keyUsage: '06' }) },
    ],
    ['A6', 'a BDK', { header: 'D0000B0AX00E0000' }, {}],
    ['A8', 'a mode of no wrapping key', { header: 'D0000K1AC00E0000' }, {}],
    ['A9', 'a component', { header: 'D0000K1ABc1E0000' }, {}],
    ['B2', 'an exportability that there is not', { header: 'D0000K1AB00Q0000' }, {}],
    ['BB', 'a key stronger than what carried it', { key: new Uint8Array(randomBytes(32)) }, {}],
    ['11', 'a key of zeros', { key: new Uint8Array(16) }, {}],
    ['28', 'a key type of variant LMKs', {}, { keyType: '001' }],
    ['13', 'an LMK that is not loaded', {}, { end: '%07' }],
    ['04', 'another private key flag', {}, { flag: '00FFFF' }],
    ['15', 'bytes after the end', {}, { end: 'x' }],
    ['A4', 'a token that is none', {}, { token: Uint8Array.of(0x30, 0) }],
  ])('%s: %s', async (expected, _, order, changes, signer = kdhSigner) => {
    expect(code(await importing(krdHsm(), order, changes, signer))).toBe(`ZJ${expected}`);
  });

  test('A4: an authority that the KDH does not come from', async () => {
    expect(code(await importing(krdHsm(issueCertificate(strangerCa))))).toBe('ZJA4');
  });

  test('A4: a CRL older than one that was relied on', async () => {
    const hsm = krdHsm();
    const newer = issueCrl({ issuer: 'KDH CA', key: keys.kdhCa, number: 7 });
    expect(code(await importing(hsm, { crl: newer }))).toBe('ZJ00');
    expect(code(await importing(hsm))).toBe('ZJA4');
  });

  test('A4: a nonce of another host', async () => {
    const hsm = krdHsm();
    const nonce = await freshNonce(hsm);
    const token = await keyToken({ nonce });
    hsm.hostId = '55'.repeat(32);
    expect(code(await hsm.call(zi({ token })))).toBe('ZJA4');
    hsm.hostId = 'local';
    expect(code(await hsm.call(zi({ token })))).toBe('ZJ00');
  });

  test('A4: a bit flipped anywhere in the token; the code tells nothing of where', async () => {
    const codes = new Set<string>();
    const nonce = new Uint8Array(randomBytes(16));
    const token = await keyToken({ nonce });
    for (let at = 4; at < token.length; at += 37) {
      const flipped = Uint8Array.from(token);
      flipped[at]! ^= 0x01;
      const fresh = krdHsm();
      fresh.machine.hosts.get('local')!.outstandingNonces.add(nonce);
      codes.add(code(await fresh.call(zi({ token: flipped }))));
    }
    expect([...codes]).toEqual(['ZJA4']);
  });
});

test('authorities are read from a file', () => {
  const path = join(mkdtempSync(join(tmpdir(), 'authorities-')), 'authorities.json');
  expect(() => readAuthorities(path)).toThrow('cannot read');
  writeFileSync(path, JSON.stringify({ kdh: [toPem(certificates.root)] }));
  expect(readAuthorities(path)).toMatchObject({ kdh: [expect.stringContaining('CERTIFICATE')], krd: [] });
});

test('authorities are PEM certificates by role, and nothing else', () => {
  const pem = toPem(certificates.root);
  expect(parseAuthorities({})).toEqual({ kdh: [], krd: [] });
  expect(parseAuthorities({ krd: [pem] }).krd).toHaveLength(1);
  for (const wrong of [{ kdh: pem }, { kdh: ['no certificate'] }, { krd: [7] }, { ca: [pem] }]) {
    expect(() => parseAuthorities(wrong)).toThrow('authorities:');
  }
});

test('under dual control two officers install the authorities, which outlive a restart, and grant the import', async () => {
  const hsm = new CeremonyHsm();
  await hsm.initialise();
  await hsm.admitHost();
  const { publicKey, privateKey } = keyPairIn(await hsm.call('EI1204802#0000'));
  const krd = issueCertificate({ subject: 'HSM', key: publicKey, ...krdProfile });
  const importing = async () => {
    const nonce = parseRandomToken(Buffer.from((await hsm.call('ZR')).slice(4), 'latin1'));
    const token = await keyToken({ krdCertificate: krd, nonce });
    return code(await hsm.call(zi({ krd, privateKey, token }).toString('latin1')));
  };
  expect(await importing()).toBe('ZJ17');
  await hsm.command('set-authorities', { authorities: { kdh: [toPem(certificates.kdhCa)] } });
  await hsm.restart();
  await hsm.give('ann', 'bob');
  expect(await importing()).toBe('ZJ17');
  await hsm.command('grant', { activity: 'import.K1.host', client: 'local', lmkId: '00', count: 1 });
  expect(await importing()).toBe('ZJ00');
  expect(await importing()).toBe('ZJ17');
  await hsm.vault.close();
});
