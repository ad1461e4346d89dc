import {
  type BlockCipher,
  type CipherEngine,
  requireBlock,
  requireKeyAt,
  requireKeyBytes,
} from './block-cipher.ts';
import { OpensslCipher } from './openssl.ts';
import { takeSchedule, wipeSchedule } from './schedule.ts';

/**
 * Triple DES, NIST SP 800-67: encrypt under K1, decrypt under K2, encrypt under K3. `key`: 16 bytes (K1 K2, used as
 * K1 K2 K1) or 24 bytes, copied. Parity bits are ignored and weak keys are not refused: that is policy of the caller.
 */
export function tdes(key: Uint8Array, engine: CipherEngine = 'table'): BlockCipher {
  requireKeyBytes(key, [16, 24], 'TDES');
  const k3 = key.length === 24 ? 16 : 0;
  if (engine === 'table') {
    const schedule = takeSchedule(3 * scheduleWords);
    expandKey(key, 0, schedule, 0, 1);
    expandKey(key, 8, schedule, scheduleWords, -1);
    expandKey(key, k3, schedule, 2 * scheduleWords, 1);
    return new TableDes(schedule);
  }
  const tripleLength = new Uint8Array(24);
  try {
    tripleLength.set(key);
    tripleLength.set(key.subarray(k3, k3 + 8), 16);
    return new OpensslCipher('des-ede3', 8, tripleLength);
  } finally {
    tripleLength.fill(0);
  }
}

/** Single DES, FIPS 46-3, for the steps of TDES DUKPT and of the retail MAC; never on its own. `key`: 8 bytes. */
export function des(key: Uint8Array): BlockCipher {
  requireKeyBytes(key, [8], 'DES');
  const schedule = takeSchedule(scheduleWords);
  expandKey(key, 0, schedule, 0, 1);
  return new TableDes(schedule);
}

// FIPS 46-3, appendix 1, in its own numbering: bit 1 is the leftmost.
// biome-ignore format: as printed in the standard, row by row
const sBoxes = [
  [14, 4, 13, 1, 2, 15, 11, 8, 3, 10, 6, 12, 5, 9, 0, 7, 0, 15, 7, 4, 14, 2, 13, 1, 10, 6, 12, 11, 9, 5, 3, 8,
   4, 1, 14, 8, 13, 6, 2, 11, 15, 12, 9, 7, 3, 10, 5, 0, 15, 12, 8, 2, 4, 9, 1, 7, 5, 11, 3, 14, 10, 0, 6, 13],
  [15, 1, 8, 14, 6, 11, 3, 4, 9, 7, 2, 13, 12, 0, 5, 10, 3, 13, 4, 7, 15, 2, 8, 14, 12, 0, 1, 10, 6, 9, 11, 5,
   0, 14, 7, 11, 10, 4, 13, 1, 5, 8, 12, 6, 9, 3, 2, 15, 13, 8, 10, 1, 3, 15, 4, 2, 11, 6, 7, 12, 0, 5, 14, 9],
  [10, 0, 9, 14, 6, 3, 15, 5, 1, 13, 12, 7, 11, 4, 2, 8, 13, 7, 0, 9, 3, 4, 6, 10, 2, 8, 5, 14, 12, 11, 15, 1,
   13, 6, 4, 9, 8, 15, 3, 0, 11, 1, 2, 12, 5, 10, 14, 7, 1, 10, 13, 0, 6, 9, 8, 7, 4, 15, 14, 3, 11, 5, 2, 12],
  [7, 13, 14, 3, 0, 6, 9, 10, 1, 2, 8, 5, 11, 12, 4, 15, 13, 8, 11, 5, 6, 15, 0, 3, 4, 7, 2, 12, 1, 10, 14, 9,
   10, 6, 9, 0, 12, 11, 7, 13, 15, 1, 3, 14, 5, 2, 8, 4, 3, 15, 0, 6, 10, 1, 13, 8, 9, 4, 5, 11, 12, 7, 2, 14],
  [2, 12, 4, 1, 7, 10, 11, 6, 8, 5, 3, 15, 13, 0, 14, 9, 14, 11, 2, 12, 4, 7, 13, 1, 5, 0, 15, 10, 3, 9, 8, 6,
   4, 2, 1, 11, 10, 13, 7, 8, 15, 9, 12, 5, 6, 3, 0, 14, 11, 8, 12, 7, 1, 14, 2, 13, 6, 15, 0, 9, 10, 4, 5, 3],
  [12, 1, 10, 15, 9, 2, 6, 8, 0, 13, 3, 4, 14, 7, 5, 11, 10, 15, 4, 2, 7, 12, 9, 5, 6, 1, 13, 14, 0, 11, 3, 8,
   9, 14, 15, 5, 2, 8, 12, 3, 7, 0, 4, 10, 1, 13, 11, 6, 4, 3, 2, 12, 9, 5, 15, 10, 11, 14, 1, 7, 6, 0, 8, 13],
  [4, 11, 2, 14, 15, 0, 8, 13, 3, 12, 9, 7, 5, 10, 6, 1, 13, 0, 11, 7, 4, 9, 1, 10, 14, 3, 5, 12, 2, 15, 8, 6,
   1, 4, 11, 13, 12, 3, 7, 14, 10, 15, 6, 8, 0, 5, 9, 2, 6, 11, 13, 8, 1, 4, 10, 7, 9, 5, 0, 15, 14, 2, 3, 12],
  [13, 2, 8, 4, 6, 15, 11, 1, 10, 9, 3, 14, 5, 0, 12, 7, 1, 15, 13, 8, 10, 3, 7, 4, 12, 5, 6, 11, 0, 14, 9, 2,
   7, 11, 4, 1, 9, 12, 14, 2, 0, 6, 10, 13, 15, 3, 5, 8, 2, 1, 14, 7, 4, 10, 8, 13, 15, 12, 9, 0, 3, 5, 6, 11],
];
// biome-ignore format: as printed
const permutationP = [16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10,
  2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4, 25];
// biome-ignore format: as printed
const permutedChoice1 = [57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36,
  63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4];
// biome-ignore format: as printed
const permutedChoice2 = [14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2,
  41, 52, 31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32];
const leftShifts = [1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1];

const scheduleWords = 32; // 16 rounds, two words each

// S-box and permutation P in one look-up. The halves are kept turned left by one bit, which puts the six input bits
// of each box on consecutive positions (that is the expansion E), so the outputs are turned likewise.
const sp1 = spTable(1);
const sp2 = spTable(2);
const sp3 = spTable(3);
const sp4 = spTable(4);
const sp5 = spTable(5);
const sp6 = spTable(6);
const sp7 = spTable(7);
const sp8 = spTable(8);

function spTable(box: number): Int32Array {
  return Int32Array.from({ length: 64 }, (_, six) => {
    const row = ((six >>> 4) & 2) | (six & 1); // outer bits; the inner four are the column
    const nibble = sBoxes[box - 1]![row * 16 + ((six >>> 1) & 15)]!;
    const beforeP = nibble << (32 - 4 * box);
    let word = 0;
    for (const [i, bit] of permutationP.entries()) word |= ((beforeP >>> (32 - bit)) & 1) << (31 - i);
    return (word << 1) | (word >>> 31);
  });
}

// PC-1 by key byte (parity dropped: 128 values each) into the 28-bit halves C and D.
const choice1C = choice1Table(permutedChoice1.slice(0, 28));
const choice1D = choice1Table(permutedChoice1.slice(28));

function choice1Table(choice: number[]): Int32Array {
  return Int32Array.from({ length: 8 * 128 }, (_, index) => {
    const byte = index >>> 7;
    const value = (index & 127) << 1;
    let half = 0;
    for (const [i, bit] of choice.entries()) {
      if ((bit - 1) >>> 3 === byte) half |= ((value >>> (7 - ((bit - 1) & 7))) & 1) << (27 - i);
    }
    return half;
  });
}

// PC-2 by seven bits of a half into its four groups of six bits. Groups 1 and 3 (5 and 7) go to the upper half of the
// word, 2 and 4 (6 and 8) to the lower, because a round serves the odd and the even boxes with one word each.
const choice2C = choice2Table(permutedChoice2.slice(0, 24), 0);
const choice2D = choice2Table(permutedChoice2.slice(24), 28);

function choice2Table(choice: number[], firstBit: number): Int32Array {
  const groupShift = [24, 8, 16, 0];
  return Int32Array.from({ length: 4 * 128 }, (_, index) => {
    const half = (index & 127) << (21 - 7 * (index >>> 7));
    let word = 0;
    for (const [i, bit] of choice.entries()) {
      const on = (half >>> (28 - (bit - firstBit))) & 1;
      word |= on << (groupShift[Math.floor(i / 6)]! + 5 - (i % 6));
    }
    return word;
  });
}

/** Key schedule KS, FIPS 46-3, of the eight bytes at `from`. `direction` −1 writes the rounds in decryption order. */
function expandKey(key: Uint8Array, from: number, schedule: Int32Array, to: number, direction: 1 | -1): void {
  let c = 0;
  let d = 0;
  for (let i = 0; i < 8; i++) {
    const sevenBits = (i << 7) | (key[from + i]! >>> 1);
    c |= choice1C[sevenBits]!;
    d |= choice1D[sevenBits]!;
  }
  let at = direction === 1 ? to : to + scheduleWords - 2;
  for (let round = 0; round < 16; round++, at += 2 * direction) {
    const shift = leftShifts[round]!;
    c = ((c << shift) | (c >>> (28 - shift))) & 0x0fffffff;
    d = ((d << shift) | (d >>> (28 - shift))) & 0x0fffffff;
    const left =
      choice2C[c >>> 21]! |
      choice2C[128 | ((c >>> 14) & 127)]! |
      choice2C[256 | ((c >>> 7) & 127)]! |
      choice2C[384 | (c & 127)]!;
    const right =
      choice2D[d >>> 21]! |
      choice2D[128 | ((d >>> 14) & 127)]! |
      choice2D[256 | ((d >>> 7) & 127)]! |
      choice2D[384 | (d & 127)]!;
    schedule[at] = (left & 0xffff0000) | (right >>> 16); // boxes 1 3 5 7
    schedule[at + 1] = (left << 16) | (right & 0xffff); // boxes 2 4 6 8
  }
}

/** The function f of FIPS 46-3 on a half turned left by one bit. */
function f(half: number, oddKey: number, evenKey: number): number {
  const odd = ((half >>> 4) | (half << 28)) ^ oddKey;
  const even = half ^ evenKey;
  return (
    sp1[(odd >>> 24) & 63]! ^
    sp3[(odd >>> 16) & 63]! ^
    sp5[(odd >>> 8) & 63]! ^
    sp7[odd & 63]! ^
    sp2[(even >>> 24) & 63]! ^
    sp4[(even >>> 16) & 63]! ^
    sp6[(even >>> 8) & 63]! ^
    sp8[even & 63]!
  );
}

const wiped = new Int32Array(0);

/** DES with 16 rounds, or TDES with 48: between two DES the inverse initial and the initial permutation cancel. */
class TableDes implements BlockCipher {
  readonly blockBytes = 8;
  #schedule: Int32Array;

  constructor(schedule: Int32Array) {
    this.#schedule = schedule;
  }

  encryptBlock(source: Uint8Array, from: number, target: Uint8Array, to: number): void {
    requireBlock(this.#schedule !== wiped, 8, source, from, target, to);
    crypt(this.#schedule, 0, 2, source, from, target, to);
  }

  decryptBlock(source: Uint8Array, from: number, target: Uint8Array, to: number): void {
    requireBlock(this.#schedule !== wiped, 8, source, from, target, to);
    crypt(this.#schedule, this.#schedule.length - 2, -2, source, from, target, to);
  }

  wipe(): void {
    if (this.#schedule === wiped) return;
    wipeSchedule(this.#schedule);
    this.#schedule = wiped;
  }
}

function crypt(
  k: Int32Array,
  first: number,
  step: 2 | -2,
  source: Uint8Array,
  from: number,
  target: Uint8Array,
  to: number,
): void {
  let l = (source[from]! << 24) | (source[from + 1]! << 16) | (source[from + 2]! << 8) | source[from + 3]!;
  let r =
    (source[from + 4]! << 24) | (source[from + 5]! << 16) | (source[from + 6]! << 8) | source[from + 7]!;

  // Initial permutation IP as five exchanges of bit groups, leaving both halves turned left by one bit.
  let t = ((l >>> 4) ^ r) & 0x0f0f0f0f;
  r ^= t;
  l ^= t << 4;
  t = ((l >>> 16) ^ r) & 0xffff;
  r ^= t;
  l ^= t << 16;
  t = ((r >>> 2) ^ l) & 0x33333333;
  l ^= t;
  r ^= t << 2;
  t = ((r >>> 8) ^ l) & 0x00ff00ff;
  l ^= t;
  r ^= t << 8;
  r = (r << 1) | (r >>> 31);
  t = (l ^ r) & 0xaaaaaaaa;
  l ^= t;
  r ^= t;
  l = (l << 1) | (l >>> 31);

  let at = first;
  for (let left = k.length; left > 0; left -= scheduleWords) {
    for (let pair = 0; pair < 8; pair++) {
      l ^= f(r, k[at]!, k[at + 1]!);
      at += step;
      r ^= f(l, k[at]!, k[at + 1]!);
      at += step;
    }
    t = l; // the halves change places after the last round of each DES
    l = r;
    r = t;
  }

  // The inverse of IP: the same exchanges backwards.
  l = (l >>> 1) | (l << 31);
  t = (l ^ r) & 0xaaaaaaaa;
  l ^= t;
  r ^= t;
  r = (r >>> 1) | (r << 31);
  t = ((r >>> 8) ^ l) & 0x00ff00ff;
  l ^= t;
  r ^= t << 8;
  t = ((r >>> 2) ^ l) & 0x33333333;
  l ^= t;
  r ^= t << 2;
  t = ((l >>> 16) ^ r) & 0xffff;
  r ^= t;
  l ^= t << 16;
  t = ((l >>> 4) ^ r) & 0x0f0f0f0f;
  r ^= t;
  l ^= t << 4;

  target[to] = l >>> 24;
  target[to + 1] = l >>> 16;
  target[to + 2] = l >>> 8;
  target[to + 3] = l;
  target[to + 4] = r >>> 24;
  target[to + 5] = r >>> 16;
  target[to + 6] = r >>> 8;
  target[to + 7] = r;
}

/**
 * One 8-byte block of single DES, FIPS 46-3, under a key that serves for this block only: the 8 bytes of `key` at
 * `keyOffset`. Every step of TDES DUKPT is two such blocks. Round keys are made as the rounds go, in local variables:
 * there is no schedule to store, read back and wipe. The permutations are written out a second time because a
 * function can't return two halves without allocating.
 */
export function desEncryptOnce(
  key: Uint8Array,
  keyOffset: number,
  source: Uint8Array,
  sourceOffset: number,
  target: Uint8Array,
  targetOffset: number,
): void {
  requireKeyAt(key, keyOffset, 8);
  requireBlock(true, 8, source, sourceOffset, target, targetOffset);
  let c = 0;
  let d = 0;
  for (let i = 0; i < 8; i++) {
    const sevenBits = (i << 7) | (key[keyOffset + i]! >>> 1);
    c |= choice1C[sevenBits]!;
    d |= choice1D[sevenBits]!;
  }
  let l =
    (source[sourceOffset]! << 24) |
    (source[sourceOffset + 1]! << 16) |
    (source[sourceOffset + 2]! << 8) |
    source[sourceOffset + 3]!;
  let r =
    (source[sourceOffset + 4]! << 24) |
    (source[sourceOffset + 5]! << 16) |
    (source[sourceOffset + 6]! << 8) |
    source[sourceOffset + 7]!;

  // IP, as in `crypt`: both halves end turned left by one bit.
  let t = ((l >>> 4) ^ r) & 0x0f0f0f0f;
  r ^= t;
  l ^= t << 4;
  t = ((l >>> 16) ^ r) & 0xffff;
  r ^= t;
  l ^= t << 16;
  t = ((r >>> 2) ^ l) & 0x33333333;
  l ^= t;
  r ^= t << 2;
  t = ((r >>> 8) ^ l) & 0x00ff00ff;
  l ^= t;
  r ^= t << 8;
  r = (r << 1) | (r >>> 31);
  t = (l ^ r) & 0xaaaaaaaa;
  l ^= t;
  r ^= t;
  l = (l << 1) | (l >>> 31);

  for (let round = 0; round < 16; round++) {
    const shift = leftShifts[round]!;
    c = ((c << shift) | (c >>> (28 - shift))) & 0x0fffffff;
    d = ((d << shift) | (d >>> (28 - shift))) & 0x0fffffff;
    const left =
      choice2C[c >>> 21]! |
      choice2C[128 | ((c >>> 14) & 127)]! |
      choice2C[256 | ((c >>> 7) & 127)]! |
      choice2C[384 | (c & 127)]!;
    const right =
      choice2D[d >>> 21]! |
      choice2D[128 | ((d >>> 14) & 127)]! |
      choice2D[256 | ((d >>> 7) & 127)]! |
      choice2D[384 | (d & 127)]!;
    t = l ^ f(r, (left & 0xffff0000) | (right >>> 16), (left << 16) | (right & 0xffff));
    l = r;
    r = t;
  }

  // The halves change places after the last round; then IP backwards.
  t = l;
  l = r;
  r = t;
  l = (l >>> 1) | (l << 31);
  t = (l ^ r) & 0xaaaaaaaa;
  l ^= t;
  r ^= t;
  r = (r >>> 1) | (r << 31);
  t = ((r >>> 8) ^ l) & 0x00ff00ff;
  l ^= t;
  r ^= t << 8;
  t = ((r >>> 2) ^ l) & 0x33333333;
  l ^= t;
  r ^= t << 2;
  t = ((l >>> 16) ^ r) & 0xffff;
  r ^= t;
  l ^= t << 16;
  t = ((l >>> 4) ^ r) & 0x0f0f0f0f;
  r ^= t;
  l ^= t << 4;
  target[targetOffset] = l >>> 24;
  target[targetOffset + 1] = l >>> 16;
  target[targetOffset + 2] = l >>> 8;
  target[targetOffset + 3] = l;
  target[targetOffset + 4] = r >>> 24;
  target[targetOffset + 5] = r >>> 16;
  target[targetOffset + 6] = r >>> 8;
  target[targetOffset + 7] = r;
}
