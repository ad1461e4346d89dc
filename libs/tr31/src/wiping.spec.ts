/** What is left in memory: every typed array that a call made is searched for keys, all but what the caller got. */
import { describe, expect, test } from '@jest/globals';
import { aes, tdes } from '@openkdh/block-ciphers';
import { holdsSecret, recordArrays } from '../../../test/support/array-recorder.ts';
import { keyBlockVectors } from '../../../test/support/tr31-vectors.ts';
import { derivedKeys, variantKeys } from './derive.ts';
import {
  type KeyBlockHeader,
  kbpk,
  parseHeader,
  Tr31Error,
  type VersionId,
  versions,
  wrap,
} from './index.ts';
import { lmkHandle } from './thales.ts';

const bytes = (length: number, from: number) => new Uint8Array(length).map((_, i) => from + 7 * i);
const protectionKey = bytes(24, 1);
const key = bytes(16, 2);
const { header } = parseHeader(keyBlockVectors.cases[0]!.keyBlock, { profile: 'lenient' });

function secretsOf(versionId: VersionId): Uint8Array[] {
  const { cipher } = versions[versionId];
  const keys =
    versionId === 'A' || versionId === 'C'
      ? variantKeys(protectionKey)
      : derivedKeys(
          cipher === 'TDES' ? tdes(protectionKey) : aes(protectionKey),
          24,
          versionId === 'E' ? 'CTR' : 'CBC',
        );
  return [protectionKey, key, keys.kbek, keys.kbak];
}

describe.each(Object.keys(versions) as VersionId[])('version %s', (versionId) => {
  const ours: KeyBlockHeader = { ...header, versionId, modeOfUse: 'E', keyUsage: 'P0' };
  const block = wrap(protectionKey, ours, key);
  const policyBroken = wrap(protectionKey, { ...ours, modeOfUse: 'V' }, key, { profile: 'lenient' });
  const lastDigit = block.endsWith('0') ? '1' : '0';
  const secrets = secretsOf(versionId);

  test.each([
    ['wrap', (handle: Handle) => void handle.wrap(ours, key)],
    ['unwrap; the caller wipes its key', (handle: Handle) => void handle.unwrap(block).key.fill(0)],
    ['unwrap of an authentic block that strict refuses', refused(policyBroken)],
    ['unwrap of a block with another MAC', refused(block.slice(0, -1) + lastDigit)],
    ['unwrap of a block with another header', refused(block.replace('P0', 'D0'))],
  ])('%s leaves no key', (_, use) => {
    for (const engine of ['table', 'openssl'] as const) {
      const made = recordArrays(() => {
        const handle = kbpk(protectionKey, engine);
        use(handle);
        handle.dispose();
      });
      expect(made.length).toBeGreaterThan(5);
      expect(made.filter((array) => holdsSecret(array, secrets))).toEqual([]);
      expect(made.filter((array) => array instanceof Int32Array && array.some(Boolean))).toEqual([]);
    }
  });
});

test('an LMK handle leaves no key', () => {
  const thalesHeader = {
    versionId: '1',
    keyUsage: 'B0',
    algorithm: 'A',
    modeOfUse: 'X',
    keyVersion: '00',
    exportability: 'E',
    lmkId: '00',
    optionalBlocks: [],
  } as const;
  const made = recordArrays(() => {
    const lmk = lmkHandle(protectionKey);
    lmk.unwrap(lmk.wrap({ ...thalesHeader, optionalBlocks: [] }, key)).key.fill(0);
    lmk.dispose();
  });
  const keys = derivedKeys(aes(protectionKey), 24, 'CBC');
  expect(made.filter((array) => holdsSecret(array, [protectionKey, key, keys.kbek, keys.kbak]))).toEqual([]);
});

test('the search finds a key that is left', () => {
  const made = recordArrays(() => void kbpk(protectionKey));
  expect(made.filter((array) => holdsSecret(array, [protectionKey]))).not.toEqual([]);
});

type Handle = ReturnType<typeof kbpk>;

function refused(text: string): (handle: Handle) => void {
  return (handle) => expect(() => handle.unwrap(text)).toThrow(Tr31Error);
}
