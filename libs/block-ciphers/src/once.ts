/**
 * One block under a key that serves for this block only, as in every step of DUKPT. Round keys are made as the rounds
 * go, in local variables: there is no schedule to store, read back and wipe, which for a single block is a third of
 * the time. The permutations of DES are written out a second time because a function can't return two halves without
 * allocating. Table-driven, like the engine `table`: the head comment of `index.ts` says what that means.
 */
import {
  encrypt0,
  encrypt1,
  encrypt2,
  encrypt3,
  lastRound,
  loadWord,
  sBox,
  storeWord,
  substitute,
} from './aes.ts';
import { requireBlock } from './block-cipher.ts';
import { choice1C, choice1D, choice2C, choice2D, f, leftShifts } from './des.ts';
import { BlockCipherError } from './errors.ts';

/** Encrypts one 16-byte block with AES-128, FIPS 197, under the 16 bytes of `key` at `keyOffset`. */
export function aes128EncryptOnce(
  key: Uint8Array,
  keyOffset: number,
  source: Uint8Array,
  sourceOffset: number,
  target: Uint8Array,
  targetOffset: number,
): void {
  requireKeyAt(key, keyOffset, 16);
  requireBlock(true, 16, source, sourceOffset, target, targetOffset);
  let k0 = loadWord(key, keyOffset);
  let k1 = loadWord(key, keyOffset + 4);
  let k2 = loadWord(key, keyOffset + 8);
  let k3 = loadWord(key, keyOffset + 12);
  let a = loadWord(source, sourceOffset) ^ k0;
  let b = loadWord(source, sourceOffset + 4) ^ k1;
  let c = loadWord(source, sourceOffset + 8) ^ k2;
  let d = loadWord(source, sourceOffset + 12) ^ k3;
  for (let round = 1, roundConstant = 1; round <= 10; round++) {
    k0 ^= substitute((k3 << 8) | (k3 >>> 24)) ^ (roundConstant << 24);
    k1 ^= k0;
    k2 ^= k1;
    k3 ^= k2;
    roundConstant = (roundConstant << 1) ^ (roundConstant & 0x80 ? 0x11b : 0);
    if (round === 10) break;
    const p =
      encrypt0[a >>> 24]! ^
      encrypt1[(b >>> 16) & 0xff]! ^
      encrypt2[(c >>> 8) & 0xff]! ^
      encrypt3[d & 0xff]! ^
      k0;
    const q =
      encrypt0[b >>> 24]! ^
      encrypt1[(c >>> 16) & 0xff]! ^
      encrypt2[(d >>> 8) & 0xff]! ^
      encrypt3[a & 0xff]! ^
      k1;
    const r =
      encrypt0[c >>> 24]! ^
      encrypt1[(d >>> 16) & 0xff]! ^
      encrypt2[(a >>> 8) & 0xff]! ^
      encrypt3[b & 0xff]! ^
      k2;
    d =
      encrypt0[d >>> 24]! ^
      encrypt1[(a >>> 16) & 0xff]! ^
      encrypt2[(b >>> 8) & 0xff]! ^
      encrypt3[c & 0xff]! ^
      k3;
    a = p;
    b = q;
    c = r;
  }
  storeWord(target, targetOffset, k0 ^ lastRound(sBox, a, b, c, d));
  storeWord(target, targetOffset + 4, k1 ^ lastRound(sBox, b, c, d, a));
  storeWord(target, targetOffset + 8, k2 ^ lastRound(sBox, c, d, a, b));
  storeWord(target, targetOffset + 12, k3 ^ lastRound(sBox, d, a, b, c));
}

/** Encrypts one 8-byte block with single DES, FIPS 46-3, under the 8 bytes of `key` at `keyOffset`. */
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
  let l = loadWord(source, sourceOffset);
  let r = loadWord(source, sourceOffset + 4);

  // IP, as in `des.ts`: both halves end turned left by one bit.
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
  storeWord(target, targetOffset, l);
  storeWord(target, targetOffset + 4, r);
}

function requireKeyAt(key: Uint8Array, keyOffset: number, keyBytes: number): void {
  if (keyOffset + keyBytes > key.length) {
    throw new BlockCipherError(
      'BLOCK_CIPHER_KEY_LENGTH',
      `expected a key of ${keyBytes} bytes at offset ${keyOffset}, got ${key.length} bytes in all`,
    );
  }
}
