import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const root = join(import.meta.dirname, '../..');
const read = (path: string) => JSON.parse(readFileSync(join(root, path), 'utf8'));

test('docs/dependencies.md names every dependency and no other, and all versions are exact', () => {
  const manifests = ['libs', 'apps'].flatMap((folder) =>
    readdirSync(join(root, folder)).map((name) => `${folder}/${name}/package.json`),
  );
  const used = new Map<string, string>(
    ['package.json', ...manifests].flatMap((path) => {
      const { dependencies = {}, devDependencies = {} } = read(path);
      return Object.entries<string>({ ...dependencies, ...devDependencies });
    }),
  );
  const theirs = [...used.keys()].filter((name) => !name.startsWith('@openkdh/')).sort();
  const page = readFileSync(join(root, 'docs/dependencies.md'), 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| `'));
  const named = rows.flatMap((row) =>
    [...row.split('|')[1]!.matchAll(/`([^`]+)`/g)].map((match) => match[1]!),
  );
  expect([...new Set(named)].sort()).toEqual(theirs);
  for (const name of theirs)
    expect([name, used.get(name)]).toEqual([name, expect.stringMatching(/^\d+\.\d+\.\d+/)]);
});
