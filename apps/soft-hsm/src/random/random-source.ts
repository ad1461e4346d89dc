import { randomBytes } from 'node:crypto';
import { wipe } from '@openkdh/block-ciphers';
import { CtrDrbg, seedBytes } from './ctr-drbg.ts';

const poolBytes = 4096;
const personalization = Buffer.from('openkdh soft-hsm', 'latin1');

/** A new seed after so many pools, which is 2^16 requests of 16 bytes, the pad of a key block, or after an hour. */
const poolsPerSeed = 2 ** 8;
const seedLifetimeMs = 3_600_000;

/** `lengthBytes` fresh random bytes, which the caller owns. Tests pass a source of fixed ones. */
export type Random = (lengthBytes: number) => Buffer;

/** `lengthBytes` bytes of full entropy from each source that there is, one after the other; throws if there is none. */
export type EntropySource = (lengthBytes: number) => Uint8Array;

/**
 * CTR_DRBG over the operating system's generator, drawn in pools of 4 KiB: a request for each pad of a key block would
 * cost more than the block. A pool holds bytes that are still to be used, so up to 4 KiB of future output, not
 * of past output, is in memory; each byte is wiped from the pool when it is handed out.
 */
export function createRandom(entropy: EntropySource = randomBytes, now: () => number = Date.now): Random {
  const pool = Buffer.alloc(poolBytes);
  let used = poolBytes;
  let poolsSinceSeed = 0;
  let seededAt = now();
  let drbg: CtrDrbg | undefined;

  const refill = () => {
    const due = poolsSinceSeed >= poolsPerSeed || now() - seededAt >= seedLifetimeMs;
    if (drbg === undefined || due) {
      drbg = seeded(drbg, entropy);
      poolsSinceSeed = 0;
      seededAt = now();
    }
    drbg.fill(pool);
    poolsSinceSeed += 1;
    used = 0;
  };

  return (lengthBytes) => {
    const bytes = Buffer.allocUnsafeSlow(lengthBytes);
    for (let filled = 0; filled < lengthBytes; ) {
      if (used === poolBytes) refill();
      const taken = pool.subarray(used, used + lengthBytes - filled);
      bytes.set(taken, filled);
      filled += taken.length;
      used += taken.length;
      wipe(taken);
    }
    return bytes;
  };
}

/** A new generator, or `drbg` with a new seed. What further sources give is mixed in after the first. */
function seeded(drbg: CtrDrbg | undefined, entropy: EntropySource): CtrDrbg {
  const entropyInput = entropy(seedBytes);
  try {
    let generator = drbg;
    for (let at = 0; at < entropyInput.length; at += seedBytes) {
      const seed = entropyInput.subarray(at, at + seedBytes);
      if (generator === undefined) generator = new CtrDrbg(seed, personalization);
      else generator.reseed(seed);
    }
    return generator!;
  } finally {
    wipe(entropyInput);
  }
}
