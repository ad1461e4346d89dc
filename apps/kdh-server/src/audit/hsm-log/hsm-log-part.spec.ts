import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { emptyCopy, hashOf } from './hsm-chain.ts';
import { ANSWERS_PER_PART, fetchPart } from './hsm-log-part.ts';

function logOf(length: number, event = 'command'): string[] {
  const lines: string[] = [];
  for (let seq = 1; seq <= length; seq++) {
    const prevHash = seq === 1 ? emptyCopy.hash : hashOf(lines[seq - 2]!);
    lines.push(JSON.stringify({ event, prevHash, seq }));
  }
  return lines;
}

/** An HSM that gives so many records in an answer; its log may be another one from one answer to the next. */
function hsmWith(recordsPerAnswer: number, ...logs: string[][]) {
  const asked: number[] = [];
  const auditRecords = async (fromSeq: number) => {
    const log = logs[Math.min(asked.length, logs.length - 1)]!;
    asked.push(fromSeq);
    return log.slice(fromSeq - 1, fromSeq - 1 + recordsPerAnswer);
  };
  return { asked, auditRecords };
}

const endOf = (log: readonly string[]) => ({ seq: log.length, hash: hashOf(log.at(-1)!) });

describe('a part of the log of an HSM', () => {
  test('is made of several answers; each begins with the record that it continues', async () => {
    const log = logOf(120);
    const hsm = hsmWith(50, log);
    expect(await fetchPart(hsm, emptyCopy)).toEqual({ end: endOf(log), lines: log, caughtUp: true });
    expect(hsm.asked).toEqual([1, 50, 99, 120]);
  });

  test('goes on with what was written while it was fetched', async () => {
    const hsm = hsmWith(50, logOf(50), logOf(60));
    expect(await fetchPart(hsm, emptyCopy)).toMatchObject({ end: endOf(logOf(60)), caughtUp: true });
  });

  test('ends after so many answers, and the next part goes on there', async () => {
    const log = logOf(50 + 49 * (ANSWERS_PER_PART - 1) + 30);
    const hsm = hsmWith(50, log);
    const first = await fetchPart(hsm, emptyCopy);
    expect(hsm.asked).toHaveLength(ANSWERS_PER_PART);
    expect(first).toMatchObject({ end: endOf(log.slice(0, -30)), caughtUp: false });
    expect(await fetchPart(hsm, first.end)).toMatchObject({ end: endOf(log), lines: log.slice(-30) });
  });

  test('of a log that ends where the copy does is empty', async () => {
    const log = logOf(7);
    expect(await fetchPart(hsmWith(50, log), endOf(log))).toEqual({
      ...{ end: endOf(log), lines: [], caughtUp: true },
    });
    expect(await fetchPart(hsmWith(50, []), emptyCopy)).toMatchObject({ lines: [], caughtUp: true });
  });

  test.each([
    ['another log from the second answer on', [logOf(80), logOf(80, 'shutdown')], 50],
    ['a log that was cut between two answers', [logOf(80), logOf(40)], 50],
    ['a record that was edited', [logOf(80).with(60, logOf(80, 'shutdown')[60]!)], 50],
  ])('%s: what was good before is kept, and why no more', async (_, logs, kept) => {
    const part = await fetchPart(hsmWith(50, ...logs), emptyCopy);
    expect(part).toMatchObject({ end: endOf(logOf(kept)), lines: logOf(kept) });
    expect(part.broken).toMatchObject({ code: 'HSM_LOG_BROKEN' });
  });

  test('of an HSM that does not answer is none', async () => {
    const silent = { auditRecords: () => Promise.reject(new Error('silent')) };
    await expect(fetchPart(silent, emptyCopy)).rejects.toThrow('silent');
  });

  test('parts of answers of any length are the log', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(200), fc.integer({ min: 2, max: 60 }), async (length, recordsPerAnswer) => {
        const log = logOf(length);
        const hsm = hsmWith(recordsPerAnswer, log);
        const lines: string[] = [];
        let end = emptyCopy;
        for (let had = -1; had < lines.length; ) {
          had = lines.length;
          const part = await fetchPart(hsm, end);
          lines.push(...part.lines);
          end = part.end;
        }
        expect(lines).toEqual(log);
      }),
    );
  });
});
