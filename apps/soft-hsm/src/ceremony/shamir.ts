import { createHash } from 'node:crypto';
import { equalConstantTime, wipe } from '@openkdh/block-ciphers';
import { SoftHsmError } from '../errors.ts';
import type { Random } from '../random/random-source.ts';

/** Shamir's secret sharing over GF(2^8) with the polynomial of AES (11B), byte by byte. */

const checksumBytes = 4;
export const setIdBytes = 16;

/** One share of a secret; `x` and `y` are a point on the polynomial of each byte. */
export interface Share {
  /** The same for all shares of one split, and for no other: 16 bytes in hex. */
  setId: string;
  /** So many shares give the secret; fewer tell nothing about it. */
  threshold: number;
  /** 1 to 255. */
  x: number;
  /** As long as the secret and its checksum. Secret. */
  y: Uint8Array;
}

/** `secret`: any length; `count`: 2 to 255; `threshold`: 2 to `count`. The caller wipes the shares. */
export function splitSecret(secret: Uint8Array, threshold: number, count: number, random: Random): Share[] {
  if (!(threshold >= 2 && threshold <= count && count <= 255)) {
    throw new SoftHsmError('SOFT_HSM_SHARES', `2 to 255 shares and a threshold of 2 to that many expected`);
  }
  const setId = random(setIdBytes).toString('hex').toUpperCase();
  const checked = withChecksum(secret);
  // coefficients[n][i]: factor of x^n for byte i; the constant one is the secret.
  const coefficients = [checked, ...Array.from({ length: threshold - 1 }, () => random(checked.length))];
  const shares = Array.from({ length: count }, (_, n) => ({
    setId,
    threshold,
    x: n + 1,
    y: evaluate(coefficients, n + 1),
  }));
  wipe(...coefficients);
  return shares;
}

/**
 * The secret, which the caller wipes. Throws SOFT_HSM_SHARES for fewer shares than the threshold, for shares of
 * different sets, for one that comes twice, and for shares that do not belong together.
 */
export function combineShares(shares: readonly Share[]): Buffer {
  const [first] = shares;
  if (first === undefined || shares.length < first.threshold) throw refusal('there are not enough of them');
  const { setId, threshold, y } = first;
  const xs = shares.map(({ x }) => x);
  if (xs.some((x) => x < 1 || x > 255) || new Set(xs).size < xs.length)
    throw refusal('one comes twice or is none');
  if (
    shares.some(
      (share) => share.setId !== setId || share.threshold !== threshold || share.y.length !== y.length,
    )
  ) {
    throw refusal('they are of different sets');
  }
  const checked = Buffer.alloc(y.length);
  for (const share of shares) {
    const factor = lagrangeFactor(share.x, xs);
    share.y.forEach((byte, i) => {
      checked[i]! ^= multiply(byte, factor);
    });
  }
  try {
    const secret = Buffer.from(checked.subarray(0, -checksumBytes));
    if (equalConstantTime(checksum(secret), checked.subarray(-checksumBytes))) return secret;
    wipe(secret);
    throw refusal('they do not belong together');
  } finally {
    wipe(checked);
  }
}

function evaluate(coefficients: readonly Uint8Array[], x: number): Uint8Array {
  const y = new Uint8Array(coefficients[0]!.length);
  for (const factors of coefficients.toReversed()) {
    for (let i = 0; i < y.length; i += 1) y[i] = multiply(y[i]!, x) ^ factors[i]!;
  }
  return y;
}

/** The product of x_j / (x_j − x) over all other shares: what a share counts at x = 0. */
function lagrangeFactor(x: number, xs: readonly number[]): number {
  return xs.reduce(
    (factor, other) => (other === x ? factor : multiply(factor, multiply(other, inverse(other ^ x)))),
    1,
  );
}

/** In GF(2^8). Without a branch on what is multiplied. */
function multiply(a: number, b: number): number {
  let product = 0;
  let [left, right] = [a, b];
  for (let bit = 0; bit < 8; bit += 1) {
    product ^= left & -(right & 1);
    right >>= 1;
    left = ((left << 1) & 0xff) ^ (0x1b & -(left >> 7));
  }
  return product;
}

/** a^254, the multiplicative inverse; `a` is not zero and not secret. */
function inverse(a: number): number {
  let power = 1;
  for (let n = 0; n < 254; n += 1) power = multiply(power, a);
  return power;
}

function withChecksum(secret: Uint8Array): Buffer {
  return Buffer.concat([secret, checksum(secret)]);
}

function checksum(secret: Uint8Array): Buffer {
  return createHash('sha256').update(secret).digest().subarray(0, checksumBytes);
}

function refusal(why: string): SoftHsmError {
  return new SoftHsmError('SOFT_HSM_SHARES', `the shares do not give the secret: ${why}`);
}
