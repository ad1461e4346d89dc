import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Api } from './api.ts';
import { makeLinkCertificates, makePassphrase, provisionKeys } from './provision.ts';

let state: string;

beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'openkdh-provision-'));
});

afterEach(() => {
  rmSync(state, { recursive: true });
});

/** A server that keeps what it is sent; the id of each thing is its name. */
function keeping(): { api: Api; kept: Record<string, Record<string, unknown>[]> } {
  const kept: Record<string, Record<string, unknown>[]> = { '/bdks': [], '/profiles': [] };
  const get = async (path: string) => kept[path];
  const post = async (path: string, body: Record<string, unknown>) => {
    const made = { ...body, id: body['name'] };
    kept[path]!.push(made);
    return made;
  };
  return { api: { get, post } as unknown as Api, kept };
}

test('two BDKs and the profile of both are made, and found at the next start', async () => {
  const { api, kept } = keeping();
  const profile = await provisionKeys(api);
  expect(kept['/bdks']).toMatchObject([
    { scheme: 'AES', algorithm: 'A128' },
    { scheme: 'TDES', algorithm: 'T2' },
  ]);
  expect(kept['/profiles']).toMatchObject([
    {
      slots: [
        { slot: 'PIN', bdkId: 'AES DUKPT', algorithm: 'A128', keyBlockVersion: 'D' },
        { slot: 'DATA', bdkId: 'TDES DUKPT', algorithm: 'T2', keyBlockVersion: 'B' },
      ],
    },
  ]);
  expect(await provisionKeys(api)).toBe(profile);
  expect([kept['/bdks']!.length, kept['/profiles']!.length]).toEqual([2, 1]);
});

test('the passphrase is made once', () => {
  const read = () => readFileSync(join(state, 'hsm-passphrase'), 'utf8');
  makePassphrase(state);
  const first = read();
  expect(first).toMatch(/^[\w-]{32}\n$/);
  makePassphrase(state);
  expect(read()).toBe(first);
  expect(statSync(join(state, 'hsm-passphrase')).mode & 0o777).toBe(0o600);
});

test('the link has a certificate for each side, for its owner’s eyes alone', async () => {
  await makeLinkCertificates(state);
  const link = join(state, 'hsm-link');
  expect(readdirSync(link).sort()).toEqual([
    'ca.pem',
    'client-key.pem',
    'client.pem',
    'server-key.pem',
    'server.pem',
  ]);
  expect(statSync(link).mode & 0o777).toBe(0o700);
  for (const name of readdirSync(link)) expect(statSync(join(link, name)).mode & 0o777).toBe(0o600);
});
