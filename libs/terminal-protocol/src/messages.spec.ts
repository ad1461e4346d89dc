import { describe, expect, test } from '@jest/globals';
import { bodies, conversation, frame, loadKeys } from '../test/conversation.ts';
import { maxSlots } from './fields.ts';
import type { Inventory } from './loading.ts';
import { kdhMessages, type MessageRow, messageRow, type Role, terminalMessages } from './messages.ts';

type Body = Record<string, unknown>;

function accepts(sender: Role, type: string, body: unknown): boolean {
  return messageRow(sender, type)!.body.safeParse(body).success;
}

const recorded = conversation.map(({ from, frame: { t, b } }) => [t, from, b] as [string, Role, Body]);

describe('every recorded body', () => {
  test('each message of the protocol is recorded', () => {
    const types = (sender: Role) =>
      new Set(recorded.filter(([, from]) => from === sender).map(([type]) => type));
    expect(types('terminal')).toEqual(new Set(Object.keys(terminalMessages)));
    expect(types('kdh')).toEqual(new Set(Object.keys(kdhMessages).filter((type) => type !== 'ERROR')));
  });

  test.each(recorded)('%s is accepted, and unknown members are ignored', (type, from, body) => {
    const { body: schema }: MessageRow = messageRow(from, type)!;
    expect(schema.parse(body)).toEqual(body);
    expect(schema.parse({ ...body, future: 1 })).toEqual(body);
  });

  test.each(recorded)('%s with a member missing or of another kind is refused', (type, from, body) => {
    for (const [path, change] of everyChange(body)) {
      if (optional.has(`${type}.${path.replaceAll(/\d+/g, '*')}`) && change === undefined) continue;
      const changed = changedAt(body, path.split('.'), change);
      expect({ path, change, accepted: accepts(from, type, changed) }).toEqual({
        path,
        change,
        accepted: false,
      });
    }
  });
});

/** Members that may be absent. */
const optional = new Set([
  'ERROR.detail',
  'LOAD_KEYS.plan.*.ksn',
  'LOAD_RESULT.results.*.ksn',
  'INVENTORY.slots.*.ksn',
]);

/** Every member, at every depth, with what it may never be: absent, or of another kind. */
function* everyChange(value: unknown, path = ''): Generator<[string, unknown]> {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    const at = path ? `${path}.${name}` : name;
    if (!Array.isArray(value)) yield [at, undefined];
    for (const other of [true, 'x', 0.5, -1, {}, [[]]]) if (!fits(other, member)) yield [at, other];
    yield* everyChange(member, at);
  }
}

/** A boolean for a boolean could be right; so could `x` for a free text. */
function fits(other: unknown, member: unknown): boolean {
  return (typeof other === 'boolean' && typeof member === 'boolean') || (other === 'x' && isFreeText(member));
}
function isFreeText(member: unknown): boolean {
  return freeTexts.has(member as string);
}
const freeTexts = new Set(
  recorded.flatMap(([, , { model, hardware, firmware, name, detail, capabilities }]) => [
    ...[model, hardware, firmware, name, detail].filter((text) => text !== undefined),
    ...Object.values((capabilities ?? {}) as Body).flat(),
  ]),
);

function changedAt(body: unknown, path: string[], change: unknown): unknown {
  const copy = structuredClone(body) as Body;
  let parent: Body = copy;
  for (const name of path.slice(0, -1)) parent = parent[name] as Body;
  if (change === undefined) delete parent[path.at(-1)!];
  else parent[path.at(-1)!] = change;
  return copy;
}

describe('forms of fields', () => {
  const hello = (change: Body) => accepts('terminal', 'HELLO', { ...frame('HELLO').b, ...change });
  const load = (change: Body) => accepts('kdh', 'LOAD_KEYS', { ...loadKeys, ...change });
  const entry = (change: Body) => load({ plan: [{ ...loadKeys.plan[1], ...change }] });

  test.each([
    ['A', true],
    ['A'.repeat(32), true],
    ['A'.repeat(33), false],
    ['', false],
    ['-A', false],
    ['a', false],
    ['A B', false],
    ['A\n', false],
  ])('serial %j: %s', (serial, good) => {
    expect(hello({ serial })).toBe(good);
  });

  test.each([
    ['x', true],
    ['x'.repeat(64), true],
    ['x'.repeat(65), false],
    ['', false],
    ['tab\t', false],
    ['line\n', false],
    ['grün', false],
  ])('text %j: %s', (model, good) => {
    expect(hello({ model })).toBe(good);
  });

  test.each([
    [Buffer.alloc(16, 0xff).toString('base64'), true],
    [Buffer.alloc(15).toString('base64'), false],
    [Buffer.alloc(17).toString('base64'), false],
    [`${'A'.repeat(21)}B==`, false], // spare bits set: a second form of the same bytes
    [Buffer.alloc(16).toString('base64url'), false],
  ])('nonce %j: %s', (nonceD, good) => {
    expect(hello({ nonceD })).toBe(good);
  });

  test.each([
    ['QUJD', true],
    ['QUI=', true],
    ['QQ==', true],
    ['QR==', false],
    ['QUJ=', false],
    ['QUJD\n', false],
    ['QUJ', false],
    ['=', false],
    ['', false],
  ])('token %j: %s', (token, good) => {
    expect(accepts('terminal', 'BIND_REQ', { token })).toBe(good);
  });

  test.each([
    ['0'.repeat(64), true],
    ['0'.repeat(63), false],
    ['0'.repeat(65), false],
    ['a'.repeat(64), false],
  ])('SHA-256 %j: %s', (inventoryDigest, good) => {
    expect(hello({ inventoryDigest })).toBe(good);
  });

  test.each([
    ['FFFF9876543210E00000', true],
    ['123456789012345600000000', true],
    ['1234567890123456', false],
    ['FFFF9876543210E0000', false],
    ['ffff9876543210e00000', false],
  ])('KSN %j: %s', (ksn, good) => {
    expect(entry({ ksn })).toBe(good);
  });

  test.each([
    ['ABCDEF', true],
    ['ABCDEF01', true],
    ['ABCDEF0123', true],
    ['ABCDE', false],
    ['ABCDEF012345', false],
    ['abcdef', false],
  ])('KCV %j: %s', (kcv, good) => {
    expect(entry({ kcv })).toBe(good);
  });

  test.each([
    ['D'.repeat(16), true],
    ['D'.repeat(9999), true],
    ['D'.repeat(15), false],
    ['D'.repeat(10_000), false],
    [`${'D'.repeat(16)}\n`, false],
  ])('key block of %#: %s', (tr31, good) => {
    expect(entry({ tr31 })).toBe(good);
  });

  test.each([
    ['2026-11-24T06:00:00Z', true],
    ['2026-11-24T06:00:00.000Z', true],
    ['2026-11-24T06:00:00+00:00', false],
    ['2026-11-24 06:00:00Z', false],
    ['2026-13-24T06:00:00Z', false],
  ])('time %j: %s', (expiresAt, good) => {
    expect(load({ expiresAt })).toBe(good);
  });

  test.each([
    [1, true],
    [2 ** 53 - 1, true],
    [2 ** 53, false],
    [0, false],
    [1.5, false],
    ['1', false],
  ])('epoch %j: %s', (epoch, good) => {
    expect(load({ epoch })).toBe(good);
  });

  test.each([
    ['01a20c2d-0000-7000-8000-000000000001', true],
    ['01a20c2d-0000-4000-8000-000000000001', true],
    ['01A20C2D-0000-7000-8000-000000000001', false],
    ['00000000-0000-0000-0000-000000000000', false],
    ['01a20c2d00007000800000000000001', false],
  ])('attempt %j: %s', (attempt, good) => {
    expect(load({ attempt })).toBe(good);
  });
});

describe('lists', () => {
  const [entry] = loadKeys.plan;
  const plan = (length: number) => Array.from({ length }, (_, i) => ({ ...entry, slot: `SLOT-${i}` }));

  test('a plan has 1 to 64 slots, each once', () => {
    const load = (entries: unknown[]) => accepts('kdh', 'LOAD_KEYS', { ...loadKeys, plan: entries });
    expect([plan(1), plan(maxSlots)].map(load)).toEqual([true, true]);
    expect([plan(0), plan(maxSlots + 1), [entry, entry]].map(load)).toEqual([false, false, false]);
  });

  test('results: code 0 needs a kcv; other codes are 3xxx and 4xxx', () => {
    const [result] = bodies<Body>('LOAD_RESULT');
    const results = (one: Body) =>
      accepts('terminal', 'LOAD_RESULT', { ...result, results: [{ slot: 'PIN', ...one }] });
    expect(
      [{ code: 0, kcv: 'ABCDEF' }, { code: 3001 }, { code: 4005, kcv: 'ABCDEF' }, { code: 4999 }].map(
        results,
      ),
    ).toEqual([true, true, true, true]);
    expect([{ code: 0 }, { code: 1001 }, { code: 2001 }, { code: 5001 }, { code: 1 }].map(results)).toEqual([
      false,
      false,
      false,
      false,
      false,
    ]);
  });

  test('an inventory may be empty and names each slot once', () => {
    const [{ slots }] = bodies<Inventory>('INVENTORY') as [Inventory];
    expect(accepts('terminal', 'INVENTORY', { slots: [] })).toBe(true);
    expect(accepts('terminal', 'INVENTORY', { slots: [slots[0], slots[0]] })).toBe(false);
  });

  test('entries that are hashed or signed keep the members that this version does not know', () => {
    const future = { ...loadKeys, plan: [{ ...entry, future: 1 }] };
    expect(messageRow('kdh', 'LOAD_KEYS')!.body.parse(future)).toEqual(future);
  });

  test('QUERY asks for an attempt or for the inventory', () => {
    const query = (body: Body) => accepts('kdh', 'QUERY', body);
    expect(query({ attempt: loadKeys.attempt })).toBe(true);
    expect(query({ inventory: true })).toBe(true);
    expect(query({ inventory: false })).toBe(false);
    expect(query({})).toBe(false);
  });
});
