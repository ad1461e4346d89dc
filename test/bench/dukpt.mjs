/**
 * DUKPT derivation against the same with one createCipheriv for each block; in-order traffic with the kept path against
 * the same without. Proves that both agree before it times them.
 *
 *   npx tsc -b libs/dukpt && node test/bench/dukpt.mjs
 *
 * Floors: AES 10, TDES 8, kept path 3. Exits with 1 below a floor.
 */
import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import {
  AesKeyPath,
  deriveAesInitialKey,
  deriveAesTransactionKey,
  deriveAesTransactionKeyFromBdk,
  deriveTdesInitialKey,
  deriveTdesTransactionKey,
  deriveTdesTransactionKeyFromBdk,
  nextAesKsn,
  nextTdesKsn,
  TdesKeyPath,
} from '@openkdh/dukpt';
import { race } from './race.mjs';

const bytes = (hex) => new Uint8Array(Buffer.from(hex, 'hex'));

function encryptBlock(algorithm, key, block) {
  return createCipheriv(algorithm, key, null).setAutoPadding(false).update(block);
}

/** AES-128 DUKPT, 8 one-bits: 9 blocks, each with a cipher object of its own. */
function aesByCipherObjects(bdk, ksn) {
  const data = Buffer.from('01018001000200800000000000000000', 'hex');
  data.set(ksn.subarray(0, 8), 8);
  let key = encryptBlock('aes-128-ecb', bdk, data);
  data[3] = 0x00; // usage 8000
  data.set(ksn.subarray(4, 8), 8);
  const counter = Buffer.from(ksn).readUInt32BE(8);
  let reached = 0;
  for (let bit = 0x80000000; bit >= 1; bit /= 2) {
    if (Math.floor(counter / bit) % 2 === 0) continue;
    reached += bit;
    data.writeUInt32BE(reached, 12);
    key = encryptBlock('aes-128-ecb', key, data);
  }
  return key;
}

/** TDES DUKPT, 9 one-bits: 2 TDES and 18 single DES, each with a cipher object; single DES as TDES with one key. */
function tdesByCipherObjects(bdk, ksn) {
  const tdes = (key, block) => encryptBlock('des-ede3', Buffer.concat([key, key.subarray(0, 8)]), block);
  const des = (key, block) => encryptBlock('des-ede3', Buffer.concat([key, key, key]), block);
  const xor = (a, b) => a.map((byte, i) => byte ^ b[i]);
  const mask = bytes('C0C0C0C000000000C0C0C0C000000000');
  const register = Buffer.from(ksn);
  const counter = register.readUIntBE(7, 3) & 0x1fffff;
  register[7] &= 0xe0;
  register[8] = register[9] = 0;
  const d = register.subarray(0, 8);
  let key = Buffer.concat([tdes(Buffer.from(bdk), d), tdes(Buffer.from(xor(bdk, mask)), d)]);
  const half = (from) => {
    const right = from.subarray(8);
    return xor(des(from.subarray(0, 8), xor(register.subarray(2), right)), right);
  };
  for (let bit = 0x100000; bit >= 1; bit >>= 1) {
    if ((counter & bit) === 0) continue;
    register.writeUIntBE(register.readUIntBE(7, 3) | bit, 7, 3);
    key = Buffer.concat([half(xor(key, mask)), half(key)]);
  }
  return key;
}

/** The KSNs of the ten thousand transactions after `ksn`. */
function inOrder(ksn, next) {
  const ksns = [next(ksn)];
  while (ksns.length < 10_000) ksns.push(next(ksns.at(-1)));
  return ksns;
}

const tdesBdk = bytes('0123456789ABCDEFFEDCBA9876543210');
const tdesKsn = bytes('FFFF9876543210E001FF');
const aesBdk = bytes('FEDCBA9876543210F1F1F1F1F1F1F1F1');
const aesKsn = bytes('1234567890123456000000FF');
const tdesIk = deriveTdesInitialKey(tdesBdk, tdesKsn);
const aesIk = deriveAesInitialKey(aesBdk, aesKsn.subarray(0, 8));
const tdesTraffic = inOrder(bytes('FFFF9876543210E01000'), nextTdesKsn);
const aesTraffic = inOrder(bytes('123456789012345600001000'), nextAesKsn);
const tdesPath = new TdesKeyPath(tdesIk, tdesKsn);
const aesPath = new AesKeyPath(aesIk, aesKsn);

/** Calls `derive` for one KSN after the other, in order. */
function each(ksns, derive) {
  let n = 0;
  return () => derive(ksns[n++ % ksns.length]);
}

const contests = [
  {
    name: 'AES-128, BDK + KSN to key, 8 one-bits',
    floor: 10,
    ours: () => deriveAesTransactionKeyFromBdk(aesBdk, aesKsn),
    other: () => aesByCipherObjects(aesBdk, aesKsn),
  },
  {
    name: 'TDES, BDK + KSN to key, 9 one-bits',
    floor: 8,
    ours: () => deriveTdesTransactionKeyFromBdk(tdesBdk, tdesKsn),
    other: () => tdesByCipherObjects(tdesBdk, tdesKsn),
  },
  {
    name: 'AES-128, in order, kept path, from the IK',
    floor: 3,
    ours: each(aesTraffic, (ksn) => aesPath.transactionKey(ksn)),
    other: each(aesTraffic, (ksn) => deriveAesTransactionKey(aesIk, ksn)),
  },
  {
    name: 'TDES, in order, kept path, from the IK',
    floor: 3,
    ours: each(tdesTraffic, (ksn) => tdesPath.transactionKey(ksn)),
    other: each(tdesTraffic, (ksn) => deriveTdesTransactionKey(tdesIk, ksn)),
  },
];

console.log(`node ${process.version}; ours, other`);
for (const contest of contests) {
  for (let n = 0; n < 5_000; n++)
    assert.equal(Buffer.compare(contest.ours(), contest.other()), 0, contest.name);
  race(contest);
}
