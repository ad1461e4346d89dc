import {
  type BlockCipher,
  type CipherEngine,
  requireBlock,
  requireKeyAt,
  requireKeyBytes,
} from './block-cipher.ts';
import { OpensslCipher } from './openssl.ts';
import { takeSchedule, wipeSchedule } from './schedule.ts';

/** AES, FIPS 197. `key`: 16, 24 or 32 bytes, copied. Throws BLOCK_CIPHER_KEY_LENGTH. */
export function aes(key: Uint8Array, engine: CipherEngine = 'table'): BlockCipher {
  requireKeyBytes(key, [16, 24, 32], 'AES');
  return engine === 'table' ? new TableAes(key) : new OpensslCipher(`aes-${key.length * 8}-ecb`, 16, key);
}

// The tables are not exported: V8 takes a module's own constants as constants, but reads an exported one each time.
// FIPS 197, 5.1.1 and 5.3.2: the S-box and its inverse.
const sBox = new Uint8Array(256);
const inverseSBox = new Uint8Array(256);

// One round of one byte in one word: SubBytes and MixColumns (encrypt), InvSubBytes and InvMixColumns (decrypt).
// Table n serves row n of the state; it is table 0 turned right by n bytes.
const [encrypt0, encrypt1, encrypt2, encrypt3] = fourTables();
const [decrypt0, decrypt1, decrypt2, decrypt3] = fourTables();

function fourTables(): [Uint32Array, Uint32Array, Uint32Array, Uint32Array] {
  return [new Uint32Array(256), new Uint32Array(256), new Uint32Array(256), new Uint32Array(256)];
}

/** Product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1. FIPS 197, 4.2. */
function multiply(a: number, b: number): number {
  let product = 0;
  for (let bit = b; bit; bit >>= 1) {
    if (bit & 1) product ^= a;
    a = (a << 1) ^ (a & 0x80 ? 0x11b : 0);
  }
  return product;
}

function fillTables(): void {
  // 3 generates the multiplicative group, and its inverse is 0xf6: walking both gives every (x, 1/x).
  for (let n = 0, x = 1, inverse = 1; n < 256; n++) {
    const b = n === 255 ? 0 : inverse; // the last step is for 0, which maps to itself
    const s = b ^ (b << 1) ^ (b << 2) ^ (b << 3) ^ (b << 4);
    const at = n === 255 ? 0 : x;
    sBox[at] = ((s >>> 8) ^ s ^ 0x63) & 0xff;
    inverseSBox[sBox[at]!] = at;
    x = multiply(x, 3);
    inverse = multiply(inverse, 0xf6);
  }
  for (let x = 0; x < 256; x++) {
    const s = sBox[x]!;
    const e = (multiply(s, 2) << 24) | (s << 16) | (s << 8) | multiply(s, 3);
    const i = inverseSBox[x]!;
    const d = (multiply(i, 14) << 24) | (multiply(i, 9) << 16) | (multiply(i, 13) << 8) | multiply(i, 11);
    encrypt0[x] = e;
    encrypt1[x] = (e >>> 8) | (e << 24);
    encrypt2[x] = (e >>> 16) | (e << 16);
    encrypt3[x] = (e >>> 24) | (e << 8);
    decrypt0[x] = d;
    decrypt1[x] = (d >>> 8) | (d << 24);
    decrypt2[x] = (d >>> 16) | (d << 16);
    decrypt3[x] = (d >>> 24) | (d << 8);
  }
}
fillTables();

function substitute(word: number): number {
  return (
    (sBox[word >>> 24]! << 24) |
    (sBox[(word >>> 16) & 0xff]! << 16) |
    (sBox[(word >>> 8) & 0xff]! << 8) |
    sBox[word & 0xff]!
  );
}

/** Key expansion, FIPS 197, 5.2: 44, 52 or 60 words. */
function expandKey(key: Uint8Array): Int32Array {
  const keyWords = key.length >>> 2;
  const words = takeSchedule(4 * (keyWords + 7));
  for (let i = 0; i < keyWords; i++) {
    words[i] = (key[4 * i]! << 24) | (key[4 * i + 1]! << 16) | (key[4 * i + 2]! << 8) | key[4 * i + 3]!;
  }
  for (let i = keyWords, roundConstant = 1, phase = 0; i < words.length; i++) {
    let word = words[i - 1]!;
    if (phase === 0) {
      word = substitute((word << 8) | (word >>> 24)) ^ (roundConstant << 24);
      roundConstant = (roundConstant << 1) ^ (roundConstant & 0x80 ? 0x11b : 0);
    } else if (phase === 4 && keyWords === 8) {
      word = substitute(word);
    }
    words[i] = words[i - keyWords]! ^ word;
    phase = phase + 1 === keyWords ? 0 : phase + 1;
  }
  return words;
}

/** Schedule of the equivalent inverse cipher, FIPS 197, 5.3.5: rounds reversed, InvMixColumns on the inner ones. */
function invertSchedule(encryption: Int32Array): Int32Array {
  const words = takeSchedule(encryption.length);
  const last = encryption.length - 4;
  for (let i = 0; i < encryption.length; i++) {
    const word = encryption[last - (i & ~3) + (i & 3)]!;
    words[i] =
      i < 4 || i >= last
        ? word
        : decrypt0[sBox[word >>> 24]!]! ^
          decrypt1[sBox[(word >>> 16) & 0xff]!]! ^
          decrypt2[sBox[(word >>> 8) & 0xff]!]! ^
          decrypt3[sBox[word & 0xff]!]!;
  }
  return words;
}

const wiped = new Int32Array(0);

class TableAes implements BlockCipher {
  readonly blockBytes = 16;
  #encryption: Int32Array;
  #decryption: Int32Array | undefined; // made at the first decryption: a CMAC key never needs it

  constructor(key: Uint8Array) {
    this.#encryption = expandKey(key);
  }

  encryptBlock(source: Uint8Array, from: number, target: Uint8Array, to: number): void {
    requireBlock(this.#encryption !== wiped, 16, source, from, target, to);
    const k = this.#encryption;
    let a =
      ((source[from]! << 24) | (source[from + 1]! << 16) | (source[from + 2]! << 8) | source[from + 3]!) ^
      k[0]!;
    let b =
      ((source[from + 4]! << 24) | (source[from + 5]! << 16) | (source[from + 6]! << 8) | source[from + 7]!) ^
      k[1]!;
    let c =
      ((source[from + 8]! << 24) |
        (source[from + 9]! << 16) |
        (source[from + 10]! << 8) |
        source[from + 11]!) ^
      k[2]!;
    let d =
      ((source[from + 12]! << 24) |
        (source[from + 13]! << 16) |
        (source[from + 14]! << 8) |
        source[from + 15]!) ^
      k[3]!;
    const last = k.length - 4;
    let i = 4;
    for (; i < last; i += 4) {
      const p =
        encrypt0[a >>> 24]! ^
        encrypt1[(b >>> 16) & 0xff]! ^
        encrypt2[(c >>> 8) & 0xff]! ^
        encrypt3[d & 0xff]! ^
        k[i]!;
      const q =
        encrypt0[b >>> 24]! ^
        encrypt1[(c >>> 16) & 0xff]! ^
        encrypt2[(d >>> 8) & 0xff]! ^
        encrypt3[a & 0xff]! ^
        k[i + 1]!;
      const r =
        encrypt0[c >>> 24]! ^
        encrypt1[(d >>> 16) & 0xff]! ^
        encrypt2[(a >>> 8) & 0xff]! ^
        encrypt3[b & 0xff]! ^
        k[i + 2]!;
      d =
        encrypt0[d >>> 24]! ^
        encrypt1[(a >>> 16) & 0xff]! ^
        encrypt2[(b >>> 8) & 0xff]! ^
        encrypt3[c & 0xff]! ^
        k[i + 3]!;
      a = p;
      b = q;
      c = r;
    }
    storeWord(target, to, k[i]! ^ lastRound(sBox, a, b, c, d));
    storeWord(target, to + 4, k[i + 1]! ^ lastRound(sBox, b, c, d, a));
    storeWord(target, to + 8, k[i + 2]! ^ lastRound(sBox, c, d, a, b));
    storeWord(target, to + 12, k[i + 3]! ^ lastRound(sBox, d, a, b, c));
  }

  decryptBlock(source: Uint8Array, from: number, target: Uint8Array, to: number): void {
    requireBlock(this.#encryption !== wiped, 16, source, from, target, to);
    this.#decryption ??= invertSchedule(this.#encryption);
    const k = this.#decryption;
    let a = loadWord(source, from) ^ k[0]!;
    let b = loadWord(source, from + 4) ^ k[1]!;
    let c = loadWord(source, from + 8) ^ k[2]!;
    let d = loadWord(source, from + 12) ^ k[3]!;
    const last = k.length - 4;
    let i = 4;
    for (; i < last; i += 4) {
      const p =
        decrypt0[a >>> 24]! ^
        decrypt1[(d >>> 16) & 0xff]! ^
        decrypt2[(c >>> 8) & 0xff]! ^
        decrypt3[b & 0xff]! ^
        k[i]!;
      const q =
        decrypt0[b >>> 24]! ^
        decrypt1[(a >>> 16) & 0xff]! ^
        decrypt2[(d >>> 8) & 0xff]! ^
        decrypt3[c & 0xff]! ^
        k[i + 1]!;
      const r =
        decrypt0[c >>> 24]! ^
        decrypt1[(b >>> 16) & 0xff]! ^
        decrypt2[(a >>> 8) & 0xff]! ^
        decrypt3[d & 0xff]! ^
        k[i + 2]!;
      d =
        decrypt0[d >>> 24]! ^
        decrypt1[(c >>> 16) & 0xff]! ^
        decrypt2[(b >>> 8) & 0xff]! ^
        decrypt3[a & 0xff]! ^
        k[i + 3]!;
      a = p;
      b = q;
      c = r;
    }
    storeWord(target, to, k[i]! ^ lastRound(inverseSBox, a, d, c, b));
    storeWord(target, to + 4, k[i + 1]! ^ lastRound(inverseSBox, b, a, d, c));
    storeWord(target, to + 8, k[i + 2]! ^ lastRound(inverseSBox, c, b, a, d));
    storeWord(target, to + 12, k[i + 3]! ^ lastRound(inverseSBox, d, c, b, a));
  }

  wipe(): void {
    if (this.#encryption === wiped) return;
    wipeSchedule(this.#encryption);
    if (this.#decryption) wipeSchedule(this.#decryption);
    this.#encryption = wiped;
    this.#decryption = undefined;
  }
}

/**
 * One 16-byte block of AES-128, FIPS 197, with the table core, under a key that serves for this block only: the 16
 * bytes of `key` at `keyOffset`. Every step of DUKPT is such a block. Round keys are made as the rounds go, in local
 * variables: there is no schedule to store, read back and wipe, which halves the time.
 */
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

function lastRound(box: Uint8Array, row0: number, row1: number, row2: number, row3: number): number {
  return (
    (box[row0 >>> 24]! << 24) |
    (box[(row1 >>> 16) & 0xff]! << 16) |
    (box[(row2 >>> 8) & 0xff]! << 8) |
    box[row3 & 0xff]!
  );
}

function loadWord(source: Uint8Array, at: number): number {
  return (source[at]! << 24) | (source[at + 1]! << 16) | (source[at + 2]! << 8) | source[at + 3]!;
}

function storeWord(target: Uint8Array, at: number, word: number): void {
  target[at] = word >>> 24;
  target[at + 1] = word >>> 16;
  target[at + 2] = word >>> 8;
  target[at + 3] = word;
}
