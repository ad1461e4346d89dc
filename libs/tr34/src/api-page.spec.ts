import crypto from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { runApiPage } from '../../../test/support/api-page.ts';
import * as pki from '../test/pki.ts';
import * as tr34 from './index.ts';
import * as tokens from './tokens.ts';

const page = readFileSync(new URL('../../../docs/api/tr34.md', import.meta.url), 'utf8');

test('docs/api/tr34.md: every example prints what the page says', async () => {
  const { printed, promised } = await runApiPage('tr34.md', {
    '@openkdh/tr34': tr34,
    '@openkdh/tr34/tokens': tokens,
    'node:crypto': crypto,
    './pki.ts': pki,
  });
  expect(printed).toEqual(promised);
  expect(promised.length).toBeGreaterThan(15);
});

test('docs/api/tr34.md names every export and every deviation', () => {
  for (const name of [...Object.keys(tr34), ...Object.keys(tr34.deviations)]) expect(page).toContain(name);
});

test('docs/api/tr34.md: the table of dialects is that of the code', () => {
  const names = Object.keys(tr34.dialects) as tr34.DialectName[];
  for (const deviation of Object.keys(tr34.deviations) as tr34.Deviation[]) {
    const cells = names.map((name) => {
      const { writes, reads }: tr34.Dialect = tr34.dialects[name];
      if (writes.includes(deviation)) return 'writes';
      return reads.includes(deviation) ? 'reads' : '–';
    });
    const row = page.split('\n').find((line) => line.startsWith(`| \`${deviation}\``));
    expect(row?.split(' | ').slice(1).join(' | ')).toBe(`${cells.join(' | ')} |`);
  }
});
