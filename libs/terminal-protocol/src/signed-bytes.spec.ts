import { createHash, createPublicKey, verify } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { bodies, kbpkResult, keys, keysResult, loadKbpk, loadKeys, serial } from '../test/conversation.ts';
import type { Inventory, LoadResult, SlotResult } from './loading.ts';
import { inventoryDigest, loadResultSignedBytes, planHash, tokenHash } from './signed-bytes.ts';

const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex').toUpperCase();

function isSigned({ signature, ...result }: LoadResult, by = serial): boolean {
  const bytes = loadResultSignedBytes(result, by);
  return verify(
    'sha256',
    bytes,
    createPublicKey(keys['terminalSigningPublicKeyPem']!),
    Buffer.from(signature, 'base64'),
  );
}

describe('planHash', () => {
  test('SHA-256 of the canonical plan: members in the order of their names, no white space', () => {
    const [{ algorithm, kcv, ksn, slot, tr31 }] = [loadKeys.plan[1]!];
    const canonical = `[{"algorithm":"${algorithm}","kcv":"${kcv}","ksn":"${ksn}","slot":"${slot}","tr31":"${tr31}"}]`;
    expect(planHash([{ tr31, slot, ksn, kcv, algorithm }])).toBe(sha256(canonical));
  });

  test('the recorded plan', () => {
    expect(planHash(loadKeys.plan)).toBe(loadKeys.planHash);
    expect(planHash([...loadKeys.plan].reverse())).not.toBe(loadKeys.planHash);
  });

  test('covers members of a later version', () => {
    expect(planHash([{ ...loadKeys.plan[0]!, future: 1 } as never])).not.toBe(planHash([loadKeys.plan[0]!]));
  });
});

test('tokenHash is over the bytes of the token', () => {
  expect(tokenHash(loadKbpk.token)).toBe(sha256(Buffer.from(loadKbpk.token, 'base64')));
  expect(tokenHash(loadKbpk.token)).toBe(kbpkResult.planHash);
});

describe('inventoryDigest', () => {
  const [{ slots }] = bodies<Inventory>('INVENTORY') as [Inventory];

  test('of an empty inventory', () => {
    expect(inventoryDigest([])).toBe(sha256('[]'));
  });

  test('does not depend on the order of slots, and depends on everything else', () => {
    expect(inventoryDigest([...slots].reverse())).toBe(inventoryDigest(slots));
    const [first, ...others] = slots as [Inventory['slots'][number]];
    for (const name of Object.keys(first)) {
      expect(inventoryDigest([{ ...first, [name]: 'X' }, ...others])).not.toBe(inventoryDigest(slots));
    }
  });
});

describe('loadResultSignedBytes', () => {
  test('the label, a line feed, the canonical form of six members', () => {
    const { attempt, epoch, nonceK2, planHash: hash } = kbpkResult;
    const [{ code, kcv, slot }] = kbpkResult.results as [SlotResult];
    expect(Buffer.from(loadResultSignedBytes(kbpkResult, serial)).toString()).toBe(
      `kdh.v1/LOAD_RESULT\n{"attempt":"${attempt}","epoch":${epoch},"nonceK2":"${nonceK2}","planHash":"${hash}",` +
        `"results":[{"code":${code},"kcv":"${kcv}","slot":"${slot}"}],"serial":"${serial}"}`,
    );
  });

  test('the recorded signatures verify', () => {
    expect(isSigned(kbpkResult)).toBe(true);
    expect(isSigned(keysResult)).toBe(true);
  });

  test('a change of any member breaks the signature', () => {
    const [first, ...others] = keysResult.results as [SlotResult];
    const changes: Partial<LoadResult>[] = [
      { attempt: kbpkResult.attempt },
      { epoch: 2 },
      { nonceK2: kbpkResult.nonceK2 },
      { planHash: kbpkResult.planHash },
      { results: others },
      { results: [...others, first] },
      { results: [{ ...first, code: 4005 }, ...others] },
      { results: [{ ...first, kcv: '000000' }, ...others] },
      { results: [{ ...first, slot: 'PIN2' }, ...others] },
      { results: [{ ...first, ksn: '00000000000000000000' }, ...others] },
    ];
    for (const change of changes) expect(isSigned({ ...keysResult, ...change })).toBe(false);
    expect(isSigned(keysResult, 'SIM-000002')).toBe(false);
  });
});
