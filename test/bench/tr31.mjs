/**
 * TR-31 wrap and unwrap with a KBPK handle, against the same on one node:crypto cipher per primitive call and without
 * a handle. Proves that both agree before it times them.
 *
 *   npx tsc -b libs/tr31 && node test/bench/tr31.mjs
 *
 * Floors: D unwrap 5, D wrap 4, B unwrap and wrap 3. Exits with 1 below a floor.
 */
import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, randomBytes, timingSafeEqual } from 'node:crypto';
import { formatHeader, kbpk, parseHeader, versions } from '@openkdh/tr31';
import { race } from './race.mjs';

/** One version on node:crypto: a cipher object for each call of a primitive, keys derived anew for each block. */
function peer(versionId, protectionKey) {
  const { blockBytes, macBytes } = versions[versionId];
  const [ecb, cbc] = versionId === 'D' ? ['aes-128-ecb', 'aes-128-cbc'] : ['des-ede-ecb', 'des-ede-cbc'];
  const zeros = Buffer.alloc(blockBytes);
  const encrypt = (algorithm, key, iv, data) => {
    const cipher = createCipheriv(
      algorithm === 'des-ede-ecb' ? 'des-ede' : algorithm,
      key,
      iv,
    ).setAutoPadding(false);
    return cipher.update(data);
  };
  const decrypt = (key, iv, data) => createDecipheriv(cbc, key, iv).setAutoPadding(false).update(data);
  const double = (block) => {
    const out = Buffer.alloc(blockBytes);
    for (let i = 0; i < blockBytes; i++) out[i] = (block[i] << 1) | ((block[i + 1] ?? 0) >>> 7);
    out[blockBytes - 1] ^= (block[0] >>> 7) * (blockBytes === 8 ? 0x1b : 0x87);
    return out;
  };
  const cmac = (key, message) => {
    const whole = message.length > 0 && message.length % blockBytes === 0;
    const padded = Buffer.alloc(Math.max(1, Math.ceil(message.length / blockBytes)) * blockBytes);
    message.copy(padded);
    if (!whole) padded[message.length] = 0x80;
    const complete = double(encrypt(ecb, key, null, zeros));
    const subkey = whole ? complete : double(complete);
    const last = padded.length - blockBytes;
    for (let i = 0; i < blockBytes; i++) padded[last + i] ^= subkey[i];
    return encrypt(cbc, key, zeros, padded).subarray(last);
  };
  const derive = (usage) => {
    const blocks = [];
    for (let counter = 1; counter <= 16 / blockBytes; counter++) {
      blocks.push(
        cmac(protectionKey, Buffer.from([counter, 0, usage, 0, 0, versionId === 'D' ? 2 : 0, 0, 128])),
      );
    }
    return Buffer.concat(blocks);
  };
  return {
    wrap(header, key, { padding }) {
      const plaintext = Buffer.concat([Buffer.from([0, key.length * 8]), key, padding]);
      const text = formatHeader(header, 16 + 2 * (plaintext.length + macBytes));
      const mac = cmac(derive(1), Buffer.concat([Buffer.from(text, 'latin1'), plaintext]));
      const ciphertext = encrypt(cbc, derive(0), mac, plaintext);
      return text + ciphertext.toString('hex').toUpperCase() + mac.toString('hex').toUpperCase();
    },
    unwrap(keyBlock) {
      const { header, text } = parseHeader(keyBlock);
      const macStart = keyBlock.length - 2 * macBytes;
      const mac = Buffer.from(keyBlock.slice(macStart), 'hex');
      const plaintext = decrypt(derive(0), mac, Buffer.from(keyBlock.slice(text.length, macStart), 'hex'));
      const expected = cmac(derive(1), Buffer.concat([Buffer.from(text, 'latin1'), plaintext]));
      if (!timingSafeEqual(mac, expected)) throw new Error('MAC');
      return { header, key: plaintext.subarray(2, 2 + plaintext.readUInt16BE(0) / 8) };
    },
  };
}

console.log(`node ${process.version}; with a KBPK handle, node:crypto without`);
for (const [versionId, unwrapFloor, wrapFloor] of [
  ['D', 5, 4],
  ['B', 3, 3],
]) {
  const protectionKey = randomBytes(16);
  const key = randomBytes(16);
  const algorithm = versionId === 'D' ? 'A' : 'T';
  const padding = randomBytes(versionId === 'D' ? 30 : 14);
  const header = {
    versionId,
    keyUsage: 'P0',
    algorithm,
    modeOfUse: 'E',
    keyVersion: '00',
    exportability: 'E',
    keyContext: '0',
    optionalBlocks: [],
  };
  const handle = kbpk(protectionKey);
  const other = peer(versionId, protectionKey);

  const block = handle.wrap(header, key, { padding });
  assert.equal(other.wrap(header, key, { padding }), block);
  assert.deepEqual(Buffer.from(other.unwrap(block).key), key);
  assert.deepEqual(Buffer.from(handle.unwrap(block).key), key);

  const label = versionId === 'D' ? 'D, AES-128, 16 → 32 bytes' : 'B, 2TDEA, 16 → 24 bytes';
  race({
    name: `unwrap ${label}`,
    floor: unwrapFloor,
    ours: () => handle.unwrap(block),
    other: () => other.unwrap(block),
  });
  race({
    name: `wrap ${label}`,
    floor: wrapFloor,
    ours: () => handle.wrap(header, key, { padding }),
    other: () => other.wrap(header, key, { padding }),
  });
}
