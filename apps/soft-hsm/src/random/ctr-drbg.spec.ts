import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { CtrDrbg, maxRequestBytes } from './ctr-drbg.ts';
import { createRandom } from './random-source.ts';

const hex = (text: string) => Buffer.from(text, 'hex');

/** NIST CAVS, drbgvectors, CTR_DRBG.rsp, [AES-256 no df], COUNT = 0; the second of two outputs counts. Public domain. */
describe('NIST CAVP, CTR_DRBG with AES-256 without derivation function, no personalization', () => {
  test('drbgvectors_no_reseed, COUNT = 0', () => {
    const drbg = new CtrDrbg(
      hex('df5d73faa468649edda33b5cca79b0b05600419ccb7a879ddfec9db32ee494e5531b51de16a30f769262474c73bec010'),
    );
    expect(secondOutput(drbg)).toBe(
      'd1c07cd95af8a7f11012c84ce48bb8cb87189e99d40fccb1771c619bdf82ab22' +
        '80b1dc2f2581f39164f7ac0c510494b3a43c41b7db17514c87b107ae793e01c5',
    );
  });

  test('drbgvectors_pr_false, COUNT = 0, with a reseed', () => {
    const drbg = new CtrDrbg(
      hex('e4bc23c5089a19d86f4119cb3fa08c0a4991e0a1def17e101e4c14d9c323460a7c2fb58e0b086c6c57b55f56cae25bad'),
    );
    drbg.reseed(
      hex('fd85a836bba85019881e8c6bad23c9061adc75477659acaea8e4a01dfe07a1832dad1c136f59d70f8653a5dc118663d6'),
    );
    expect(secondOutput(drbg)).toBe(
      'b2cb8905c05e5950ca31895096be29ea3d5a3b82b269495554eb80fe07de43e1' +
        '93b9e7c3ece73b80e062b1c1f68202fbb1c52a040ea2478864295282234aaada',
    );
  });
});

function secondOutput(drbg: CtrDrbg): string {
  const output = Buffer.alloc(64);
  drbg.fill(output);
  drbg.fill(output);
  return output.toString('hex');
}

test('SP 800-90A, 10.2.1.3.1: the personalization is added to the entropy', () => {
  const [entropy, personalization] = [Buffer.alloc(48, 0x0f), Buffer.alloc(16, 0xf0)];
  const sum = Buffer.concat([Buffer.alloc(16, 0xff), Buffer.alloc(32, 0x0f)]);
  expect(secondOutput(new CtrDrbg(entropy, personalization))).toBe(secondOutput(new CtrDrbg(sum)));
  expect(() => new CtrDrbg(Buffer.alloc(49))).toThrow(RangeError);
});

test('10.2.1.5.1: what is asked for ends within a block, and the next request begins with a new key', () => {
  const whole = Buffer.alloc(32);
  const part = Buffer.alloc(17);
  const [one, other] = [new CtrDrbg(Buffer.alloc(48)), new CtrDrbg(Buffer.alloc(48))];
  one.fill(whole);
  other.fill(part);
  expect(part.equals(whole.subarray(0, 17))).toBe(true);
  expect(secondOutput(one)).toBe(secondOutput(other));
});

test('SP 800-90A, table 3: no more than 2^19 bits in one request', () => {
  const drbg = new CtrDrbg(Buffer.alloc(48));
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
    expect(given).toHaveLength(1);
    random(1);
    expect(given).toHaveLength(2);
    now = 3_600_000;
    random(4096);
    expect(given).toHaveLength(3);
  });

  test('seeds are wiped', () => {
    const { entropy, given } = countedEntropy();
    createRandom(entropy)(1);
    expect(given[0]!.every((byte) => byte === 0)).toBe(true);
  });

  test('every source of the entropy counts', () => {
    const of = (...fills: number[]) =>
      createRandom((length) => Buffer.concat(fills.map((fill) => Buffer.alloc(length, fill))))(32).toString(
        'hex',
      );
    expect(new Set([of(1), of(1, 2), of(1, 3), of(2, 1)]).size).toBe(4);
    expect(of(1, 2)).toBe(of(1, 2));
  });

  test('an entropy source that fails gives no numbers', () => {
    const fail = () => {
      throw new Error('no entropy');
    };
    expect(() => createRandom(fail)(1)).toThrow('no entropy');
  });
});
