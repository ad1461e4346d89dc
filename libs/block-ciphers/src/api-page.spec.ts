import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { runApiPage } from '../../../test/support/api-page.ts';
import * as blockCiphers from './index.ts';

test('docs/api/block-ciphers.md: every example prints what the page says', async () => {
  const { printed, promised } = await runApiPage('block-ciphers.md', {
    '@openkdh/block-ciphers': blockCiphers,
  });
  expect(printed).toEqual(promised);
  expect(promised).toHaveLength(13);
});

test('docs/api/block-ciphers.md names every export', () => {
  const page = readFileSync(new URL('../../../docs/api/block-ciphers.md', import.meta.url), 'utf8');
  for (const name of Object.keys(blockCiphers)) expect(page).toContain(name);
});
