import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { deriveAesInitialKey, deriveTdesInitialKey } from '@openkdh/dukpt';
import { connectPayShield } from '@openkdh/hsm-client';
import { lmkHandle } from '@openkdh/tr31/thales';
import pg from 'pg';
import type { TransferPage } from '../../apps/kdh-server/src/audit/transfers.schemas.ts';
import { hsmSocketOf } from '../../apps/launcher/src/parts.ts';
import { findKeys, findKeysInFiles, findKeysInMemory, type Needle } from '../support/key-scan.ts';
import { Stack } from '../support/stack.ts';
import vectors from '../vectors/known-bdk.json' with { type: 'json' };

const TERMINALS = 4;
const hex = (text: string) => Buffer.from(text, 'hex');

/** I10: keys whose values are known to the test are looked for wherever the KDH could have left them. */
describe('no clear key outside the HSM and the terminals', () => {
  let stack: Stack;
  let needles: Needle[];

  beforeAll(async () => {
    stack = await Stack.start({
      ownPostgres: true,
      testLmk: true,
      serverEnvironment: { KDH_HSM_LMK_ID: '1', KDH_HSM_LMK_CHECK_VALUE: vectors.testLmk.checkValue },
    });
    const profile = await profileOfKnownBdks(stack);
    await stack.startFleet(TERMINALS, [], profile);
    await stack.untilConfirmed(TERMINALS);
    needles = await knownKeys(stack);
  });
  afterAll(() => stack.stop());

  test('the search knows every key and finds it where it may be: in the terminals', () => {
    expect(needles.map(({ name }) => name)).toEqual([
      'BDK AES',
      'BDK TDES',
      ...Array.from({ length: 2 * TERMINALS }, () => expect.stringMatching(/^initial key /)),
      ...Array.from({ length: 2 * TERMINALS }, () => expect.stringMatching(/^KBPK-(AES|TDES) /)),
    ]);
    const { found } = findKeysInFiles(join(stack.folder, 'terminals'), [], needles);
    for (const { name } of needles.filter((needle) => needle.name.startsWith('KBPK'))) {
      expect(found).toEqual(expect.arrayContaining([expect.stringContaining(`${name} as`)]));
    }
  });

  test('not in the memory of kdh-server', () => {
    const { found, scannedBytes } = findKeysInMemory(stack.pidOf('kdh-server'), needles);
    expect(scannedBytes).toBeGreaterThan(20 * 1024 * 1024);
    expect(found).toEqual([]);
  });

  test('not in a dump of any table, the queue’s among them', async () => {
    const client = new pg.Client({ connectionString: stack.databaseUrl });
    await client.connect();
    try {
      const { rows: tables } = await client.query<{ name: string }>(
        `select format('%I.%I', schemaname, tablename) as name from pg_tables
         where schemaname not in ('pg_catalog', 'information_schema')`,
      );
      expect(tables.map(({ name }) => name)).toEqual(
        expect.arrayContaining([
          'public.attempt_key',
          'public.terminal_kbpk',
          'public.audit_event',
          'bullmq.job',
        ]),
      );
      for (const { name } of tables) {
        const { rows } = await client.query<{ row: string }>(`select t::text as row from ${name} t`);
        expect([name, findKeys(Buffer.from(rows.map(({ row }) => row).join('\n')), needles)]).toEqual([
          name,
          [],
        ]);
      }
      await client.query('checkpoint');
    } finally {
      await client.end();
    }
  });

  test('not in the files of the database, the logs or the state of kdh-server', () => {
    const except = ['terminals', 'soft-hsm'].map((name) => join(stack.folder, name));
    const { found, files } = findKeysInFiles(stack.folder, except, needles);
    expect(files).toBeGreaterThan(500);
    expect(found).toEqual([]);
  });
});

/** BDKs of known value, formed in the HSM from components (A4), and a profile that uses them. Returns its id. */
async function profileOfKnownBdks(stack: Stack): Promise<string> {
  const lmk = lmkHandle(hex(vectors.testLmk.key));
  const hsm = await connectPayShield({
    endpoints: [{ transport: 'unix', path: hsmSocketOf(stack.folder) }],
    lmkId: 1,
  });
  try {
    const slots = [];
    for (const { name, scheme, algorithm, components, slot } of vectors.bdks) {
      const blocks = components.map(
        (component, index) =>
          `S${lmk.wrap(
            {
              versionId: '1',
              keyUsage: 'B0',
              algorithm: scheme === 'AES' ? 'A' : 'T',
              modeOfUse: 'X',
              keyVersion: `c${index + 1}`,
              exportability: 'S', // a key derived from it must be exportable
              lmkId: '01',
              optionalBlocks: [],
            },
            hex(component),
          )}`,
      );
      const formed = await hsm.formKeyFromComponents(blocks);
      const request = { name, scheme, algorithm, lmkKeyBlock: formed.keyBlock };
      const bdk = await stack.api.post<{ id: string }>('/bdks', request);
      slots.push({ slot, bdkId: bdk.id, algorithm, keyBlockVersion: scheme === 'AES' ? 'D' : 'B' });
    }
    return (await stack.api.post<{ id: string }>('/profiles', { name: 'known BDKs', slots })).id;
  } finally {
    await hsm.close();
    lmk.dispose();
  }
}

/** The keys as the test works them out: BDKs, the initial key of every KSN, the KBPKs under the public test LMK. */
async function knownKeys(stack: Stack): Promise<Needle[]> {
  const bdks = vectors.bdks.map((bdk) => ({ ...bdk, key: hex(bdk.value) }));
  const { transfers } = await stack.api.get<TransferPage>('/transfers?limit=100');
  const initialKeys = transfers
    .flatMap((transfer) => transfer.keys)
    .filter((key) => key.ksn)
    .map((key) => {
      const bdk = bdks.find(({ name }) => name === key.bdkName)!;
      const ksn = hex(key.ksn as string);
      const ik =
        bdk.scheme === 'AES'
          ? deriveAesInitialKey(bdk.key, ksn.subarray(0, 8))
          : deriveTdesInitialKey(bdk.key, ksn);
      return { name: `initial key ${key.ksn}`, key: ik };
    });
  const lmk = lmkHandle(hex(vectors.testLmk.key));
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ slot: string; serial: string; key_block: string }>(
      `select k.slot, t.serial, k.key_block from terminal_kbpk k join terminal t on t.id = k.terminal_id
       where k.confirmed_at is not null order by k.slot, t.serial`,
    );
    const kbpks = rows.map(({ slot, serial, key_block }) => ({
      name: `${slot} ${serial}`,
      key: lmk.unwrap(key_block.slice(1)).key,
    }));
    return [...bdks.map(({ scheme, key }) => ({ name: `BDK ${scheme}`, key })), ...initialKeys, ...kbpks];
  } finally {
    await client.end();
    lmk.dispose();
  }
}
