import { expect, test } from '@jest/globals';
import { recordableFilters } from './recorded-export.ts';

const commitment = 'A'.repeat(64);

/** A table of names with one name. */
const names = {
  query: async <Row>(_text: string, parameters: unknown[] = []) =>
    (parameters[0] === 'Zoë' ? [{ commitment }] : []) as Row[],
};

test('a person is recorded by the commitment, whether asked for by name or by it', async () => {
  for (const person of ['operator:Zoë', `operator:${commitment}`])
    expect(await recordableFilters(names, { person, state: 'FAILED' })).toEqual({
      person: `operator:${commitment}`,
      state: 'FAILED',
    });
});

test('a name without a commitment, and words, do not get into the history', async () => {
  expect(await recordableFilters(names, { actor: 'operator:Someone', words: 'Someone' })).toEqual({
    actor: 'operator:…',
    words: '…',
  });
  expect(await recordableFilters(names, { actor: 'node:a', terminal: 'SIM-000001' })).toEqual({
    actor: 'node:a',
    terminal: 'SIM-000001',
  });
});
