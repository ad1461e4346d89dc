import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { deriveAesInitialKey, deriveTdesInitialKey } from '@openkdh/dukpt';
import { openCheckpoint, parseVerifierKey } from '@openkdh/transparency-log';
import pg from 'pg';
import type { Bdk } from '../../apps/kdh-server/src/keys/bdks.schemas.ts';
import { FakeAws, fakeSecret } from '../support/fake-aws.ts';
import { acknowledgedLoads, heldKeys, readHistory } from '../support/history.ts';
import { violations } from '../support/invariants.ts';
import { createSoftHsm2, describeWithSoftHsm2, type SoftHsm2 } from '../support/softhsm2.ts';
import { Stack } from '../support/stack.ts';

const TERMINALS = 3;
const KRD_CA = 'alias/krd-ca';

describeWithSoftHsm2('keys in AWS (a stand-in), signatures on a PKCS#11 token, and no payShield', () => {
  const aws = new FakeAws();
  let softHsm2: SoftHsm2;
  let stack: Stack;
  let client: pg.Client;
  const oracle = () => join(stack.folder, 'oracle.jsonl');
  const text = async (path: string) => {
    const headers = { authorization: `Bearer ${stack.token}` };
    return (await fetch(`${stack.httpUrl}/api/v1/log/${path}`, { headers })).text();
  };
  /** Of the newest checkpoint, whose signature is verified. */
  const sealedEvents = async () => {
    const key = parseVerifierKey((await text('key')).trim());
    const trust = { origin: key.name, logKeys: [key], witnesses: [], quorum: 0 };
    return openCheckpoint(Buffer.from(await text('checkpoint')), trust).checkpoint.size;
  };

  beforeAll(async () => {
    const endpoint = await aws.listen();
    softHsm2 = await createSoftHsm2();
    stack = await Stack.start({
      otherHsms: {
        KDH_HSM_URL: `aws:us-east-1?krd-ca=${KRD_CA}&endpoint=${endpoint}`,
        KDH_SIGNING_HSM_URL: softHsm2.uri,
        AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
        AWS_SECRET_ACCESS_KEY: fakeSecret,
        ...softHsm2.env,
      },
    });
    client = new pg.Client({ connectionString: stack.databaseUrl });
    await client.connect();
    const { rows } = await client.query<{ certificate: Buffer }>(
      "select certificate from authority where role = 'terminal-ca'",
    );
    aws.trust(rows[0]!.certificate, KRD_CA); // what an operator does by hand, once
    aws.requestsPerSecond = 5;
    await stack.startFleet(TERMINALS, ['--oracle', oracle()]);
    await stack.untilConfirmed(TERMINALS);
  });
  afterAll(async () => {
    await client?.end();
    await stack?.stop();
    await softHsm2?.remove();
    await aws.close();
  });

  test('the service throttled: no load failed for that', async () => {
    expect(aws.throttled).toBeGreaterThan(0);
    expect((await stack.status()).loads).toMatchObject({ confirmed: TERMINALS, failed: 0 });
  });

  test('every terminal holds the initial keys that the BDKs in AWS and its KSNs give', async () => {
    const { rows } = await client.query<{ scheme: string; keyBlock: string }>(
      'select scheme, key_block as "keyBlock" from bdk',
    );
    const bdks = new Map(rows.map(({ scheme, keyBlock }) => [scheme, aws.keyOf(keyBlock)]));
    await stack.until('the oracle has told', () => heldKeys(oracle()).length === 2 * TERMINALS);
    for (const { slot, ksn, sha256 } of heldKeys(oracle())) {
      const bytes = Uint8Array.from(Buffer.from(ksn, 'hex'));
      const initialKey =
        slot === 'PIN'
          ? deriveAesInitialKey(bdks.get('AES')!, bytes.subarray(0, 8))
          : deriveTdesInitialKey(bdks.get('TDES')!, bytes);
      expect(createHash('sha256').update(initialKey).digest('hex')).toBe(sha256.toLowerCase());
    }
  });

  test('the invariants hold, and the history is signed by the token', async () => {
    const witnesses = {
      acknowledged: acknowledgedLoads(stack.logs()['terminal-sim']!),
      logs: Object.values(stack.logs()).join('\n'),
      atRest: true,
    };
    expect(violations(await readHistory(stack.databaseUrl), witnesses)).toEqual([]);
    expect(await sealedEvents()).toBeGreaterThan(0n);
  });

  test('private keys that sign are references to the token; AWS made the pair for TR-34, and signed no data', async () => {
    const { rows } = await client.query<{ role: string; privateKey: string }>(
      `select role, convert_from(private_key, 'LATIN1') as "privateKey" from authority
       union all select 'log', convert_from(private_key, 'LATIN1') from log_identity`,
    );
    for (const { role, privateKey } of rows) {
      expect([role, privateKey]).toEqual([
        role,
        expect.stringMatching(role === 'kdh-signing' ? /^arn:aws:payment-cryptography:/ : /^pkcs11:id=/),
      ]);
    }
    expect(rows).toHaveLength(5);
  });

  test('a BDK that is in AWS already is registered by its ARN, and no other name', async () => {
    const [bdk] = (
      await client.query<{ arn: string; kcv: string }>(
        `select key_block as arn, kcv from bdk where scheme = 'AES'`,
      )
    ).rows as [{ arn: string; kcv: string }];
    const register = (name: string, lmkKeyBlock: string) =>
      stack.api.post<Bdk>('/bdks', { name, scheme: 'AES', algorithm: 'A128', lmkKeyBlock });
    expect(await register('by ARN', bdk.arn)).toMatchObject({ kcv: bdk.kcv, state: 'ACTIVE' });
    for (const other of [bdk.arn.replace('payment-cryptography', 'kms'), `${bdk.arn}/..`, 'alias/bdk'])
      await expect(register('another', other)).rejects.toThrow('400');
  });

  test('neither PIN nor secret is in a log', () => {
    const logs = Object.values(stack.logs()).join('\n');
    expect(logs).not.toContain(softHsm2.pin);
    expect(logs).not.toContain(fakeSecret);
  });

  test('after a restart of the KDH its signing key is found again', async () => {
    const before = await sealedEvents();
    await stack.restart('kdh-server');
    await stack.until('a new checkpoint is signed', async () => (await sealedEvents()) > before);
  });
});
