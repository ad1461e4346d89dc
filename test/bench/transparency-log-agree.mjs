/**
 * Every inclusion proof and every consistency proof of a log at every size to 1,000: 500,500 of each are made, verified,
 * and hashed into one digest. The digests were agreed with the recursive definitions of RFC 9162, 2.1.3.1 and 2.1.4.1
 * in Python. The unit tests do the same for a part of them.
 *
 *   npx tsc -b libs/transparency-log && node test/bench/transparency-log-agree.mjs
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  CompactRange,
  consistencyProof,
  inclusionProof,
  leafHash,
  nodeHash,
  verifyConsistency,
  verifyInclusion,
} from '@openkdh/transparency-log';

const largest = 1000n;
const leaves = Array.from({ length: Number(largest) }, (_, n) => leafHash(Buffer.from(String(n))));
const levels = [leaves];
while (levels.at(-1).length > 1) {
  const below = levels.at(-1);
  levels.push(Array.from({ length: below.length >> 1 }, (_, n) => nodeHash(below[2 * n], below[2 * n + 1])));
}
const subtreeHash = ({ level, index }) => levels[level][index];

const range = CompactRange.empty();
const roots = [range.root()];
for (const leaf of leaves) {
  range.append(leaf);
  roots.push(range.root());
}

const [inclusions, consistencies] = [createHash('sha256'), createHash('sha256')];
for (let size = 1n; size <= largest; size++) {
  for (let prefix = 1n; prefix <= size; prefix++) {
    const index = prefix - 1n;
    const inclusion = inclusionProof(index, size, subtreeHash);
    verifyInclusion({ index, size, leafHash: leaves[index], root: roots[size], proof: inclusion });
    for (const hash of inclusion) inclusions.update(hash);
    const consistency = consistencyProof(prefix, size, subtreeHash);
    verifyConsistency({
      size1: prefix,
      size2: size,
      root1: roots[prefix],
      root2: roots[size],
      proof: consistency,
    });
    for (const hash of consistency) consistencies.update(hash);
  }
}
assert.equal(inclusions.digest('hex'), 'f36d1d75f1fba7d0ecebb68767610c485150a579e64b77bf9616c4cd99210961');
assert.equal(consistencies.digest('hex'), '9411146893cd4d464b58211cb1c2fc707ab73a9cce5ad0d3db3c14699cb09e86');
console.log('500,500 inclusion proofs and 500,500 consistency proofs agree');
