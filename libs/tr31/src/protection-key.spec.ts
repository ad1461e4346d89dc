import { describe, expect, test } from '@jest/globals';
import { ProtectionKey } from './protection-key.ts';

describe('disposing', () => {
  test.each([
    ['A', 'TDES'],
    ['B', 'TDES'],
    ['C', 'TDES'],
    ['D', 'AES'],
    ['E', 'AES'],
    ['0', 'TDES'],
    ['1', 'AES'],
  ] as const)('wipes the key and what version %s derived from it', (versionId, cipher) => {
    for (const engine of ['table', 'openssl'] as const) {
      const protection = new ProtectionKey(new Uint8Array(16).fill(7), engine);
      const binding = protection.binding(versionId, cipher);
      const block = { header: new Uint8Array(16), data: new Uint8Array(16) };
      binding.protect(block.header, block.data);
      protection.dispose();
      expect(protection.key).toEqual(new Uint8Array(16));
      expect(() => binding.protect(block.header, block.data)).toThrow(
        expect.objectContaining({ code: 'BLOCK_CIPHER_WIPED' }),
      );
      expect(() => protection.binding(versionId, cipher)).toThrow(
        expect.objectContaining({ code: 'TR31_DISPOSED' }),
      );
    }
  });
});

test('a binding is made once', () => {
  const protection = new ProtectionKey(new Uint8Array(16).fill(7), 'table');
  expect(protection.binding('D', 'AES')).toBe(protection.binding('D', 'AES'));
  expect(protection.binding('D', 'AES')).not.toBe(protection.binding('E', 'AES'));
});
