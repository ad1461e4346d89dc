import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import * as blockCiphers from '@openkdh/block-ciphers';
import { runApiPage } from '../../../test/support/api-page.ts';
import * as dukpt from './index.ts';

test('docs/api/dukpt.md: every example prints what the page says', async () => {
  const { printed, promised } = await runApiPage('dukpt.md', {
    '@openkdh/dukpt': dukpt,
    '@openkdh/block-ciphers': blockCiphers,
  });
  expect(printed).toEqual(promised);
  expect(promised.length).toBeGreaterThan(20);
});

test('docs/api/dukpt.md names every export', () => {
  const page = readFileSync(new URL('../../../docs/api/dukpt.md', import.meta.url), 'utf8');
  for (const name of Object.keys(dukpt)) expect(page).toContain(name);
});
