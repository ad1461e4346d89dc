import { randomBytes } from 'node:crypto';
import { wipe } from '@openkdh/block-ciphers';
import { HmacDrbg } from './hmac-drbg.ts';

const poolBytes = 4096;
const entropyBytes = 48;
const nonceBytes = 16;
const personalization = Buffer.from('openkdh soft-hsm', 'latin1');

/** A new seed after so many pools, which is 2^16 requests of 16 bytes, the pad of a key block, or after an hour. */
const poolsPerSeed = 2 ** 8;
const seedLifetimeMs = 3_600_000;

/** `lengthBytes` fresh random bytes, which the caller owns. Tests pass a source of fixed ones. */
export type Random = (lengthBytes: number) => Buffer;

/** `lengthBytes` bytes of full entropy; throws if it cannot have them. */
export type EntropySource = (lengthBytes: number) => Uint8Array;

/**
 * HMAC_DRBG over the operating system's generator, drawn in pools of 4 KiB: three HMACs for each pad of a key block
 * would cost more than the block. A pool holds bytes that are still to be used, so up to 4 KiB of future output, not
 * of past output, is in memory; each byte is wiped from the pool when it is handed out.
 */
export function createRandom(entropy: EntropySource = randomBytes, now: () => number = Date.now): Random {
  const pool = Buffer.alloc(poolBytes);
  let used = poolBytes;
  let poolsSinceSeed = 0;
  let seededAt = now();
  let drbg: HmacDrbg | undefined;

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

/** A new generator, or `drbg` with a new seed. */
function seeded(drbg: HmacDrbg | undefined, entropy: EntropySource): HmacDrbg {
  const seed = entropy(entropyBytes);
  try {
    if (drbg === undefined) return new HmacDrbg(seed, entropy(nonceBytes), personalization);
    drbg.reseed(seed);
    return drbg;
  } finally {
    wipe(seed);
  }
}
