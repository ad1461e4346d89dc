import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from '@jest/globals';

/**
 * Published vectors that belong to others (RFC 9162 proofs, C2SP notes, a tessera log, RFC 8785). They lie beside the
 * repository, with their licences; where they are absent, the tests that read them are skipped.
 */
const folder = new URL('../../../../shared/vectors/transparency/', import.meta.url);

const present = existsSync(folder);

/** A test over published vectors; `body` may read them. */
export function publishedTest(name: string, body: () => void | Promise<void>): void {
  if (present) test(name, body);
  else test.skip(`${name} (needs ../shared/vectors/transparency)`, body);
}

export function publishedBytes(path: string): Uint8Array {
  return readFileSync(new URL(path, folder));
}

export function publishedJson<T>(path: string): T {
  return JSON.parse(readFileSync(new URL(path, folder), 'utf8'));
}

/** The JSON files under a folder, with their paths; whole numbers as strings, since JSON.parse would lose digits. */
export function publishedCases<T>(path: string): { path: string; value: T }[] {
  return readdirSync(new URL(path, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => {
      const text = readFileSync(new URL(`${path}/${file}`, folder), 'utf8');
      return { path: file, value: JSON.parse(text.replaceAll(/": (-?\d+)/g, '": "$1"')) };
    });
}
