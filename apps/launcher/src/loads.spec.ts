import { describe, expect, test } from '@jest/globals';
import type { Api } from './api.ts';
import { figuresOf, isSettled, type Status, statusLine, watchLoads } from './loads.ts';

const status = (enrolled: number, confirmed: number, open = 0, failed = 0): Status => ({
  terminals: { enrolled, bound: enrolled, connected: enrolled },
  loads: { requested: confirmed + open + failed, confirmed, open, failed },
});
const silent = { show: () => {}, say: () => {}, clear: () => {} };

/** An API that answers with one status after the other; an Error stands for no answer. */
function answering(...answers: (Status | Error)[]): Api {
  const get = async () => {
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer instanceof Error) throw answer;
    return answer as never;
  };
  return { get, post: get };
}

describe('a fleet is settled', () => {
  test.each([
    ['not before every terminal is enrolled', status(2, 2), false],
    ['not before every terminal has asked for its load', status(3, 2), false],
    ['not while a load is open', status(3, 2, 1), false],
    ['once every load is confirmed', status(3, 3), true],
    ['also when a load failed', status(3, 2, 0, 1), true],
    ['with more loads than terminals', status(3, 7), true],
  ])('%s', (_, now, expected) => {
    expect(isSettled(now, 3)).toBe(expected);
  });
});

test('the status line tells of failures only when there are some', () => {
  expect(statusLine(status(3, 1, 2), 3)).toBe('3 of 3 terminals enrolled, 3 bound, 1 of 3 loads confirmed');
  expect(statusLine(status(3, 1, 1, 1), 3)).toMatch(/1 of 3 loads confirmed, 1 failed$/);
});

test('the rate is of this run alone', () => {
  expect(figuresOf(status(30, 30), status(20, 20), 4)).toEqual({
    terminals: 30,
    loads: 30,
    confirmed: 30,
    seconds: 4,
    loadsPerSecond: 2.5,
  });
  expect(figuresOf(status(1, 1), status(0, 0), 0).loadsPerSecond).toBe(0);
});

const patient = { seconds: 60, standstillSeconds: 60 };

test('watching goes on while the server is away, and ends without a problem when all is confirmed', async () => {
  const api = answering(new Error('refused'), status(2, 1, 1), status(2, 2));
  const { figures, problem } = await watchLoads(api, 2, status(0, 0), patient, silent);
  expect(problem).toBeUndefined();
  expect(figures).toMatchObject({ terminals: 2, loads: 2, confirmed: 2 });
});

test('a failed load is a problem', async () => {
  const { problem } = await watchLoads(answering(status(2, 1, 0, 1)), 2, status(0, 0), patient, silent);
  expect(problem).toMatch(/^1 loads failed/);
});

test('so is time that has run out', async () => {
  const patience = { ...patient, seconds: 0.01 };
  const { figures, problem } = await watchLoads(
    answering(status(2, 1, 1)),
    2,
    status(0, 0),
    patience,
    silent,
  );
  expect(problem).toMatch(/after 0.01 s: 2 of 2 terminals enrolled/);
  expect(figures.confirmed).toBe(1);
});

test('and a standstill: here 3 of 5 terminals belong to an earlier, larger fleet, and two are still open', async () => {
  const patience = { ...patient, standstillSeconds: 0.3 };
  const api = answering(status(5, 1, 4), status(5, 2, 3), status(5, 3, 2));
  const { figures, problem } = await watchLoads(api, 2, status(5, 1, 4), patience, silent);
  expect(problem).toMatch(/^nothing has changed for 0.3 s: .* 3 of 5 loads confirmed; open loads may be/);
  expect(figures.confirmed).toBe(3); // while something changed, it went on
});
