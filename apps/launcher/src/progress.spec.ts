import { describe, expect, test } from '@jest/globals';
import { openProgress, type Progress } from './progress.ts';

/** A screen that keeps what was written to it, and a clock that the test sets. */
function screen(isTTY: boolean): {
  progress: Progress;
  written: () => string;
  setClock: (ms: number) => void;
} {
  let text = '';
  let now = 0;
  const progress = openProgress({ isTTY, columns: 20, write: (more) => (text += more) }, () => now);
  return { progress, written: () => text, setClock: (ms) => (now = ms) };
}

describe('on a terminal', () => {
  test('the line is drawn over, with the time, and never wraps', () => {
    const { progress, written } = screen(true);
    progress.show('1 of 2', 3.4);
    progress.show('2 of 2 and a long story', 4);
    expect(written()).toBe('\r\x1b[2K1 of 2 (3 s)\r\x1b[2K2 of 2 and a long s');
  });

  test('the same line is not drawn twice', () => {
    const { progress, written } = screen(true);
    progress.show('1 of 2');
    progress.show('1 of 2');
    expect(written()).toBe('\r\x1b[2K1 of 2');
  });

  test('a said line stands above the drawn one', () => {
    const { progress, written } = screen(true);
    progress.show('1 of 2');
    progress.say('hsm ended');
    expect(written()).toBe('\r\x1b[2K1 of 2\r\x1b[2Khsm ended\n1 of 2');
  });

  test('clear takes the drawn line away, once', () => {
    const { progress, written } = screen(true);
    progress.show('1 of 2');
    progress.clear();
    progress.clear();
    progress.say('done');
    expect(written()).toBe('\r\x1b[2K1 of 2\r\x1b[2Kdone\n');
  });
});

describe('on a pipe', () => {
  test('a line when the state changed, at most one a second, without control characters', () => {
    const { progress, written, setClock } = screen(false);
    progress.show('0 of 2', 0);
    setClock(500);
    progress.show('1 of 2', 0.5); // too soon
    setClock(1_500);
    progress.show('0 of 2', 1.5); // not new
    progress.show('2 of 2', 1.5);
    progress.say('done');
    progress.clear();
    expect(written()).toBe('0 of 2\n2 of 2\ndone\n');
  });
});
