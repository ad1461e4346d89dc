import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { eventFiltersSchema, searchEventsSchema } from './events.schemas.ts';
import { eventDrivers, planEvents } from './events-search.ts';
import { afterPrefix, EXAMINED } from './search.ts';
import { searchTransfersSchema, type TransferFilters, transferFiltersSchema } from './transfers.schemas.ts';
import { firstIdAt, planTransfers, timeOfId, transferDrivers } from './transfers-search.ts';

const id = '0197fa2c-0000-7000-8000-000000000001';
const ksn = 'FFFF9876543210E00000';
/** For each driver a search that names it. */
const searches: Record<(typeof transferDrivers)[number], [TransferFilters, string[]?]> = {
  ksn: [{ ksn }],
  kcv: [{ kcv: '0A1B2C' }],
  terminal: [{ serialPrefix: 'SIM-' }, [id]],
  person: [{ person: 'operator:alice' }],
  run: [{ runId: id }],
  station: [{ station: 'bench 1' }],
  campaign: [{ campaignId: id }],
  unsuccessful: [{ state: 'QUARANTINED' }],
  underWay: [{ state: 'SENT' }],
  bdk: [{ bdkId: id }],
  time: [{ state: 'CONFIRMED', from: '2026-11-24T00:00:00Z' }],
};

describe('the plan of a search for transfers', () => {
  test.each(transferDrivers)('%s is walked, and its filter needs no second look', (driver) => {
    const [filters, terminals] = searches[driver];
    const plan = planTransfers(filters, terminals, { limit: 50 });
    expect(plan.driver).toBe(driver);
    expect(plan.horizon === undefined).toBe(driver !== 'time');
    expect(plan.page.text).not.toContain('true and');
  });

  test('the most selective filter drives, the others apply to what it meets', () => {
    const all = Object.assign({}, ...Object.values(searches).map(([filters]) => filters)) as TransferFilters;
    const left = transferDrivers.map((driver) => searches[driver][0]);
    for (const [index, driver] of transferDrivers.entries()) {
      const filters = Object.assign({}, ...left.slice(index).reverse()) as TransferFilters;
      const plan = planTransfers(filters, index <= 2 ? [id] : undefined, { limit: 10 });
      expect(plan.driver).toBe(driver);
    }
    const { page } = planTransfers(all, [id], { limit: 10, after: id });
    for (const value of [ksn, '0A1B2C', 'operator:alice', 'bench 1', EXAMINED, 11])
      expect(page.parameters).toContain(value);
  });

  test('a range with too many terminals is applied to what another index gives', () => {
    const plan = planTransfers({ serialFrom: 'A', serialTo: 'B' }, 'many', { limit: 10 });
    expect([plan.driver, plan.page.parameters]).toEqual([
      'time',
      expect.arrayContaining(['A', 'B', EXAMINED]),
    ]);
  });

  test('every search, whatever its filters, is limited, and its values are parameters', () => {
    const filters = fc.record(
      {
        ksn: fc.constant(ksn),
        kcv: fc.constant('0A1B2C'),
        person: fc.string({ minLength: 1, maxLength: 120 }),
        station: fc.string({ minLength: 1, maxLength: 64 }),
        bdkId: fc.uuid(),
        runId: fc.uuid(),
        campaignId: fc.uuid(),
        state: fc.constantFrom('CONFIRMED', 'FAILED', 'SENT'),
        kind: fc.constantFrom('KBPK', 'KEYS'),
        from: fc.constant('2026-01-01T00:00:00Z'),
        to: fc.constant('2026-02-01T00:00:00Z'),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(filters, fc.integer({ min: 1, max: 500 }), (some, limit) => {
        const plan = planTransfers(some as TransferFilters, undefined, { limit });
        for (const { text, parameters } of [plan.page, ...(plan.horizon ? [plan.horizon] : [])]) {
          expect(text.match(/limit/g)).not.toBeNull();
          const holders = new Set([...text.matchAll(/\$(\d+)/g)].map(([, n]) => Number(n)));
          expect([...holders].sort((a, b) => a - b)).toEqual(parameters.map((_, index) => index + 1));
          for (const name of ['person', 'station'] as const)
            if (some[name] && some[name].length > 8) expect(text).not.toContain(some[name]);
        }
      }),
    );
  });
});

describe('the plan of a search for events', () => {
  test.each([
    ['attempt', { attemptId: id, type: 'attempt.sent' }],
    ['terminal', { terminal: 'SIM-1', words: 'repair' }],
    ['words', { words: 'repair', actor: 'operator:alice' }],
    ['actor', { actor: 'operator:alice', type: 'bdk' }],
    ['type', { type: 'bdk.frozen' }],
    ['type', { type: 'attempt.quarantined' }],
    ['type', { type: 'bdk' }],
    ['time', { type: 'attempt.confirmed' }],
    ['time', { type: 'attempt' }],
    ['time', { actor: 'node:a' }],
    ['time', {}],
  ] as const)('%s for %j', (driver, filters) => {
    expect(eventDrivers).toContain(driver);
    expect(planEvents(filters, id, { limit: 50, after: '7' }).driver).toBe(driver);
  });
});

describe('filters are refused', () => {
  test.each([
    { from: '2026-11-24T00:00:00Z', to: '2026-11-24T00:00:00Z' },
    { from: '12026-11-24T00:00:00Z' },
    { serialFrom: 'B', serialTo: 'A' },
    { terminal: 'A', serialPrefix: 'B' },
    { serialPrefix: 'B', serialTo: 'C' },
    { terminal: "A' or 1=1" },
    { person: 'operator:al\u202eice' },
    { person: 'operator:\u0000' },
    { person: 'operator:a\nb' },
    { person: 'x'.repeat(121) },
    { station: '' },
    { ksn: ksn.toLowerCase() },
    { kcv: '0A1B2C3' },
    { bdkId: 'all' },
    { state: 'confirmed' },
    { nonsense: 'x' },
  ])('%j', (filters) => expect(transferFiltersSchema.safeParse(filters).success).toBe(false));

  test.each([
    { limit: '0' },
    { limit: '501' },
    { limit: '1e9' },
    { limit: 'all' },
    { cursor: 'bogus' },
    { cursor: `${id}x` },
    { offset: '5' },
  ])('of a page: %j', (page) => expect(searchTransfersSchema.safeParse(page).success).toBe(false));

  test.each([
    { type: 'attempt.%' },
    { type: "bdk'; drop table attempt" },
    { words: '\u2067repair' },
    { attemptId: '1' },
    { actor: 'a\tb' },
    { cursor: '0' },
    { cursor: '9'.repeat(19) },
    { from: '2026-11-25T00:00:00Z', to: '2026-11-24T00:00:00Z' },
  ])('of events: %j', (filters) => expect(searchEventsSchema.safeParse(filters).success).toBe(false));

  test('whatever comes, the answer is filters or a refusal', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom('terminal', 'person', 'from', 'kcv', 'x'), fc.string()),
        (query) => {
          for (const schema of [transferFiltersSchema, eventFiltersSchema]) {
            const parsed = schema.safeParse(query);
            if (parsed.success)
              for (const value of Object.values(parsed.data)) expect(value).not.toMatch(/\p{C}/u);
          }
        },
      ),
    );
  });
});

test('ids and times: the lowest id of a moment is after every id of the moment before', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 253_402_300_799_999 }), (milliseconds) => {
      const time = new Date(milliseconds).toISOString();
      expect(timeOfId(firstIdAt(time))).toBe(time);
    }),
  );
  expect(firstIdAt('2026-11-24T00:00:00Z') < firstIdAt('2026-11-24T00:00:00.001Z')).toBe(true);
});

test.each([
  ['SIM-', 'SIM.'],
  ['A', 'B'],
  ['Z', '['],
  ['attempt.', 'attempt/'],
])('after every text that begins with %s comes %s', (prefix, after) =>
  expect(afterPrefix(prefix)).toBe(after),
);
