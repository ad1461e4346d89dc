/**
 * Compares the table cores of block-ciphers with node:crypto over millions of random blocks, both directions; the unit
 * tests do thousands. Prints a seed with the first disagreement.
 *
 *   npx tsc -b libs/block-ciphers && node test/bench/block-ciphers-agree.mjs [million blocks of each cipher, default 1]
 */
import { createCipheriv, createHash } from 'node:crypto';
import { aes, ecbDecrypt, ecbEncrypt, tdes } from '@openkdh/block-ciphers';

const millions = Number(process.argv[2] ?? 1);
const blocksPerKey = 64;

for (const [algorithm, make, keyBytes, blockBytes] of [
  ['aes-128-ecb', aes, 16, 16],
  ['aes-192-ecb', aes, 24, 16],
  ['aes-256-ecb', aes, 32, 16],
  ['des-ede', tdes, 16, 8],
  ['des-ede3', tdes, 24, 8],
]) {
  const keys = Math.ceil((millions * 1e6) / blocksPerKey);
  for (let n = 0; n < keys; n++) {
    const seed = `${algorithm} ${n}`;
    const bytes = createHash('shake128', { outputLength: keyBytes + blocksPerKey * blockBytes })
      .update(seed)
      .digest();
    const key = bytes.subarray(0, keyBytes);
    const data = bytes.subarray(keyBytes);
    const expected = createCipheriv(algorithm, key, null).setAutoPadding(false).update(data);
    const cipher = make(key);
    if (!expected.equals(ecbEncrypt(cipher, data)) || !data.equals(ecbDecrypt(cipher, expected))) {
      console.error(`disagreement at seed "${seed}"`);
      process.exit(1);
    }
    cipher.wipe();
  }
  console.log(`${algorithm}: ${keys * blocksPerKey} blocks under ${keys} keys agree`);
}
