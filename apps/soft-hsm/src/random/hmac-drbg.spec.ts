import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { HmacDrbg, maxRequestBytes } from './hmac-drbg.ts';
import { createRandom } from './random-source.ts';

const hex = (text: string) => Buffer.from(text, 'hex');

/** NIST CAVS 14.3, drbgvectors, HMAC_DRBG.rsp, [SHA-256], COUNT = 0; the second of two outputs counts. Public domain. */
describe('NIST CAVP, HMAC_DRBG with SHA-256, no personalization', () => {
  test('drbgvectors_no_reseed, COUNT = 0', () => {
    const drbg = new HmacDrbg(
      hex('ca851911349384bffe89de1cbdc46e6831e44d34a4fb935ee285dd14b71a7488'),
      hex('659ba96c601dc69fc902940805ec0ca8'),
    );
    const output = Buffer.alloc(128);
    drbg.fill(output);
    drbg.fill(output);
    expect(output.toString('hex')).toBe(
      'e528e9abf2dece54d47c7e75e5fe302149f817ea9fb4bee6f4199697d04d5b89d54fbb978a15b5c443c9ec21036d2460' +
        'b6f73ebad0dc2aba6e624abf07745bc107694bb7547bb0995f70de25d6b29e2d3011bb19d27676c07162c8b5ccde0668' +
        '961df86803482cb37ed6d5c0bb8d50cf1f50d476aa0458bdaba806f48be9dcb8',
    );
  });

  test('drbgvectors_pr_false, COUNT = 0, with a reseed', () => {
    const drbg = new HmacDrbg(
      hex('06032cd5eed33f39265f49ecb142c511da9aff2af71203bffaf34a9ca5bd9c0d'),
      hex('0e66f71edc43e42a45ad3c6fc6cdc4df'),
    );
    drbg.reseed(hex('01920a4e669ed3a85ae8a33b35a74ad7fb2a6bb4cf395ce00334a9c9a5a5d552'));
    const output = Buffer.alloc(128);
    drbg.fill(output);
    drbg.fill(output);
    expect(output.toString('hex')).toBe(
      '76fc79fe9b50beccc991a11b5635783a83536add03c157fb30645e611c2898bb2b1bc215000209208cd506cb28da2a51' +
        'bdb03826aaf2bd2335d576d519160842e7158ad0949d1a9ec3e66ea1b1a064b005de914eac2e9d4f2d72a8616a802254' +
        '22918250ff66a41bd2f864a6a38cc5b6499dc43f7f2bd09e1e0f8f5885935124',
    );
  });
});

test('SP 800-90A, table 2: no more than 2^19 bits in one request', () => {
  const drbg = new HmacDrbg(Buffer.alloc(32), Buffer.alloc(16));
  expect(() => drbg.fill(Buffer.alloc(maxRequestBytes))).not.toThrow();
  expect(() => drbg.fill(Buffer.alloc(maxRequestBytes + 1))).toThrow(RangeError);
});

describe('createRandom', () => {
  /** Entropy that counts how often it was asked, and keeps what it gave. */
  function countedEntropy() {
    const given: Uint8Array[] = [];
    const entropy = (lengthBytes: number) => {
      const bytes = Uint8Array.from({ length: lengthBytes }, (_, n) => (n + given.length) & 0xff);
      given.push(bytes);
      return bytes;
    };
    return { entropy, given };
  }

  test('lengths, and the same stream whatever the pieces', () => {
    const whole = createRandom(countedEntropy().entropy)(10_000);
    const inPieces = createRandom(countedEntropy().entropy);
    const pieces = [0, 1, 14, 4096, 4097, 1792].map((length) => inPieces(length));
    expect(pieces.map(({ length }) => length)).toEqual([0, 1, 14, 4096, 4097, 1792]);
    expect(Buffer.concat(pieces).equals(whole)).toBe(true);
  });

  test('10,000 values, none twice', () => {
    const random = createRandom();
    const digests = new Set<string>();
    for (let n = 0; n < 10_000; n += 1) digests.add(createHash('sha256').update(random(16)).digest('hex'));
    expect(digests.size).toBe(10_000);
  });

  test('a new seed after 2^8 pools, and after an hour', () => {
    const { entropy, given } = countedEntropy();
    let now = 0;
    const random = createRandom(entropy, () => now);
    expect(given).toHaveLength(0);
    for (let pools = 0; pools < 256; pools += 1) random(4096);
    // seed and nonce
    expect(given).toHaveLength(2);
    random(1);
    expect(given).toHaveLength(3);
    now = 3_600_000;
    random(4096);
    expect(given).toHaveLength(4);
  });

  test('seeds are wiped', () => {
    const { entropy, given } = countedEntropy();
    createRandom(entropy)(1);
    expect(given[0]!.every((byte) => byte === 0)).toBe(true);
  });

  test('an entropy source that fails gives no numbers', () => {
    const fail = () => {
      throw new Error('no entropy');
    };
    expect(() => createRandom(fail)(1)).toThrow('no entropy');
  });
});
