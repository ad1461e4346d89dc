/**
 * TR-31 wrap and unwrap with a KBPK handle, against the same on one node:crypto cipher per primitive call and without
 * a handle. Proves that both agree before it times them, then takes turns and prints the median of the ratios.
 *
 *   npx tsc -b libs/tr31 && node test/bench/tr31.mjs
 *
 * Floors: D unwrap 5, D wrap 4, B unwrap and wrap 3. Exits with 1 below a floor.
 */
import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, randomBytes, timingSafeEqual } from 'node:crypto';
import { formatHeader, kbpk, parseHeader, versions } from '@openkdh/tr31';

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

const roundSeconds = 0.25; // of processor time for one contestant in one round
const rounds = 5;

/** By processor time, so that other work on the machine disturbs less. */
function callsPerSecond(call) {
  const seconds = () => process.cpuUsage().user / 1e6;
  const start = seconds();
  let calls = 0;
  while (seconds() - start < roundSeconds) for (let i = 0; i < 100; i++, calls++) call();
  return calls / (seconds() - start);
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

function compare(name, floor, ours, theirs) {
  ours();
  theirs();
  const mine = [];
  const other = [];
  for (let n = 0; n < rounds; n++) {
    mine.push(callsPerSecond(ours));
    other.push(callsPerSecond(theirs));
  }
  const ratio = median(mine.map((value, n) => value / other[n]));
  const thousands = (values) => `${(median(values) / 1000).toFixed(0)} k/s`.padStart(9);
  console.log(
    `${name.padEnd(32)} ${thousands(mine)} ${thousands(other)}   ${ratio.toFixed(1)} ×, floor ${floor} ×`,
  );
  if (ratio < floor) process.exitCode = 1;
}

console.log(`${'node '.concat(process.version).padEnd(32)} with handle  node:crypto`);
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
  compare(
    `unwrap ${label}`,
    unwrapFloor,
    () => handle.unwrap(block),
    () => other.unwrap(block),
  );
  compare(
    `wrap   ${label}`,
    wrapFloor,
    () => handle.wrap(header, key, { padding }),
    () => other.wrap(header, key, { padding }),
  );
}
