import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { PeriodicTask } from './periodic-task.ts';

/** A task of 1,000 ms on a clock of the test's own; each run lasts until its entry of `ends` is called. */
function periodicTask() {
  const warnings: unknown[] = [];
  const logger = new Logger();
  logger.warn = (line: unknown) => void warnings.push(line);
  const ends: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const task = new PeriodicTask(
    { everyMilliseconds: 1_000, logger, failureEvent: 'work.delayed' },
    () => new Promise<void>((resolve, reject) => ends.push({ resolve, reject })),
  );
  return { task, ends, warnings };
}

/** Lets what follows a settled promise run. */
const settle = () => jest.advanceTimersByTimeAsync(0);

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

describe('PeriodicTask', () => {
  test('begins after each interval, and leaves out those that pass while it is under way', async () => {
    const { task, ends } = periodicTask();
    task.start();
    await jest.advanceTimersByTimeAsync(999);
    expect(ends).toHaveLength(0);
    await jest.advanceTimersByTimeAsync(3_001); // 4,000: the first is under way since 1,000
    expect(ends).toHaveLength(1);
    ends[0]?.resolve();
    await settle();
    expect(ends).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(1_000);
    expect(ends).toHaveLength(2);
  });

  test('a wake-up begins at once; any number of them during the work bring one run more', async () => {
    const { task, ends } = periodicTask();
    task.start();
    task.wake();
    expect(ends).toHaveLength(1);
    task.wake();
    task.wake();
    expect(ends).toHaveLength(1);
    ends[0]?.resolve();
    await settle();
    expect(ends).toHaveLength(2);
    ends[1]?.resolve();
    await settle();
    expect(ends).toHaveLength(2);
  });

  test('what fails is logged with its code, and tried again at the next time', async () => {
    const { task, ends, warnings } = periodicTask();
    task.start();
    task.wake();
    ends[0]?.reject(Object.assign(new Error('no disk'), { code: 'ENOSPC' }));
    await settle();
    expect(warnings).toEqual([{ event: 'work.delayed', code: 'ENOSPC', msg: 'no disk' }]);
    expect(ends).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(1_000);
    expect(ends).toHaveLength(2);
  });

  test('stop waits for what is under way, which can see it; nothing begins afterwards', async () => {
    const { task, ends } = periodicTask();
    task.start();
    task.wake();
    task.wake();
    expect(task.stopping).toBe(false);
    let stopped = false;
    const stop = task.stop().then(() => {
      stopped = true;
    });
    expect(task.stopping).toBe(true);
    await settle();
    expect(stopped).toBe(false);
    ends[0]?.resolve();
    await stop;
    task.wake();
    await jest.advanceTimersByTimeAsync(5_000);
    expect(ends).toHaveLength(1);
  });

  test('does nothing before start', async () => {
    const { task, ends } = periodicTask();
    task.wake();
    await jest.advanceTimersByTimeAsync(5_000);
    expect(ends).toHaveLength(0);
  });
});
