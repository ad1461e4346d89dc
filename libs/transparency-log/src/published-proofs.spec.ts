import { describe, expect, test } from '@jest/globals';
import { publishedCases, publishedJson, publishedTest } from '../test/published-vectors.ts';
import { hex } from '../test/sample-log.ts';
import {
  CompactRange,
  emptyRoot,
  leafHash,
  nodeHash,
  TransparencyLogError,
  verifyConsistency,
  verifyInclusion,
} from './index.ts';

const base64 = (text: string) => Buffer.from(text, 'base64');

/** Whether a verification refused, and with an error of this package. */
function refuses(verification: () => void): boolean {
  try {
    verification();
    return false;
  } catch (error) {
    if (error instanceof TransparencyLogError) return true;
    throw error;
  }
}

describe('RFC 9162, 2.1.1', () => {
  test('the empty tree, and the empty leaf', () => {
    expect(hex(emptyRoot())).toBe('E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855');
    expect(hex(leafHash(new Uint8Array(0)))).toBe(
      '6E340B9CFFB37A989CA544E6BB780A2C78901D3FB33738768511A30617AFA01D',
    );
  });

  test('a node is no leaf of the same bytes', () => {
    const [left, right] = [leafHash(Uint8Array.of(1)), leafHash(Uint8Array.of(2))];
    expect(hex(nodeHash(left, right))).not.toBe(hex(leafHash(Buffer.concat([left, right]))));
    expect(hex(nodeHash(left, right))).not.toBe(hex(nodeHash(right, left)));
  });

  test('a node takes hashes of 32 bytes and of no other length', () => {
    const hash = emptyRoot();
    for (let length = 0; length <= 66; length++) {
      if (length === 32) continue;
      const other = new Uint8Array(length);
      expect(() => nodeHash(other, hash)).toThrow(`left hash: expected 32 bytes, got ${length}`);
      expect(() => nodeHash(hash, other)).toThrow(`right hash: expected 32 bytes, got ${length}`);
    }
  });

  publishedTest('roots of 0 to 8 leaves, transparency-dev/merkle', () => {
    const known = publishedJson<{ leaf_inputs_hex: string[]; root_by_tree_size_hex: string[] }>(
      'merkle/known-roots.json',
    );
    const range = CompactRange.empty();
    const roots = [range.root()];
    for (const leaf of known.leaf_inputs_hex) {
      range.append(leafHash(Buffer.from(leaf, 'hex')));
      roots.push(range.root());
    }
    expect(roots.map(hex)).toEqual(known.root_by_tree_size_hex.map((root) => root.toUpperCase()));
  });
});

publishedTest('98 inclusion proofs of transparency-dev/merkle, RFC 9162, 2.1.3.2', () => {
  const cases = publishedCases<{
    leafIdx: string;
    treeSize: string;
    root: string;
    leafHash: string;
    proof: string[] | null;
    wantErr: boolean;
  }>('merkle/inclusion');
  expect(cases).toHaveLength(98);
  const wrong = cases.filter(({ value }) => {
    const verification = () =>
      verifyInclusion({
        index: BigInt(value.leafIdx),
        size: BigInt(value.treeSize),
        leafHash: base64(value.leafHash),
        root: base64(value.root),
        proof: (value.proof ?? []).map(base64),
      });
    return refuses(verification) !== value.wantErr;
  });
  expect(wrong).toEqual([]);
});

publishedTest('98 consistency proofs of transparency-dev/merkle, RFC 9162, 2.1.4.2', () => {
  const cases = publishedCases<{
    size1: string;
    size2: string;
    root1: string;
    root2: string;
    proof: string[] | null;
    wantErr: boolean;
  }>('merkle/consistency');
  expect(cases).toHaveLength(98);
  const wrong = cases.filter(({ value }) => {
    const verification = () =>
      verifyConsistency({
        size1: BigInt(value.size1),
        size2: BigInt(value.size2),
        root1: base64(value.root1),
        root2: base64(value.root2),
        proof: (value.proof ?? []).map(base64),
      });
    return refuses(verification) !== value.wantErr;
  });
  expect(wrong).toEqual([]);
});
