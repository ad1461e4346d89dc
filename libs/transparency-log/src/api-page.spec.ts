import crypto from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { runApiPage } from '../../../test/support/api-page.ts';
import * as transparencyLog from './index.ts';

test('docs/api/transparency-log.md: every example prints what the page says', async () => {
  const { printed, promised } = await runApiPage('transparency-log.md', {
    '@openkdh/transparency-log': transparencyLog,
    'node:crypto': crypto,
  });
  expect(printed).toEqual(promised);
  expect(promised.length).toBeGreaterThan(40);
});

test('docs/api/transparency-log.md names every export and every code', () => {
  const page = readFileSync(new URL('../../../docs/api/transparency-log.md', import.meta.url), 'utf8');
  for (const name of Object.keys(transparencyLog)) expect(page).toContain(name);
  for (const [code, meaning] of Object.entries(transparencyLog.transparencyLogErrors)) {
    expect(page).toContain(`| ${code} | ${meaning} |`);
  }
});
