/** The wall: `@openkdh/tr34/tokens` reaches no cipher and no private key, directly or through another module. */
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';

const importPattern = /^(?:import|export)\s+(type\s+)?([^;]*?)\s*from\s+'([^']+)';/gms;

/** Every module that an entry loads, and all that they import from elsewhere. Types alone load nothing. */
function reach(entry: string, found = new Map<string, Set<string>>(), seen = new Set<string>()) {
  if (seen.has(entry)) return found;
  seen.add(entry);
  const source = readFileSync(new URL(entry, import.meta.url), 'utf8');
  for (const [, typeOnly, names = '', from = ''] of source.matchAll(importPattern)) {
    if (typeOnly) continue;
    if (from.startsWith('./')) {
      reach(from, found, seen);
      continue;
    }
    const list = names.replace(/[{}\n]/g, '').split(',');
    const values = list.map((name) => name.trim()).filter((name) => name && !name.startsWith('type '));
    found.set(from, new Set([...(found.get(from) ?? []), ...values]));
  }
  return found;
}

test('tokens.ts takes from node:crypto what hashes, reads public keys and verifies; from node-forge, ASN.1', () => {
  const reached = reach('./tokens.ts');
  expect([...reached.keys()].sort()).toEqual(['node-forge', 'node:crypto']);
  expect([...(reached.get('node:crypto') ?? [])].sort()).toEqual(['createHash', 'createPublicKey', 'verify']);
});

test('node-forge is used for its asn1 only', () => {
  const source = readFileSync(new URL('./der.ts', import.meta.url), 'utf8');
  const members = [...source.matchAll(/forge\.(\w+)/g)].map(([, member]) => member);
  expect(new Set(members)).toEqual(new Set(['asn1']));
});

test('the whole package does reach ciphers, so this test can fail', () => {
  expect([...(reach('./index.ts').get('node:crypto') ?? [])]).toContain('createDecipheriv');
});
