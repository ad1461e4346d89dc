/** Where progress is written: process.stdout or process.stderr, or a stand-in. */
export interface Screen {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** What the launcher tells people while it works. */
export interface Progress {
  /**
   * What stands now: on a terminal one line drawn over and over, with the time that has passed; else a line when the
   * state changed, at most one a second.
   */
  show(state: string, seconds?: number): void;
  /** Something worth keeping: a line of its own. */
  say(line: string): void;
  /** Takes the drawn line away, so that other output may follow. */
  clear(): void;
}

/** `now` in milliseconds. */
export function openProgress(screen: Screen, now: () => number): Progress {
  return screen.isTTY ? redrawn(screen) : printed(screen, now);
}

const clearLine = '\r\x1b[2K';

function redrawn(screen: Screen): Progress {
  let drawn = '';
  return {
    show: (state, seconds) => {
      const full = seconds === undefined ? state : `${state} (${seconds.toFixed(0)} s)`;
      const line = full.slice(0, (screen.columns || 80) - 1); // one that wraps could not be drawn over
      if (line !== drawn) screen.write(`${clearLine}${line}`);
      drawn = line;
    },
    say: (line) => {
      screen.write(`${drawn === '' ? '' : clearLine}${line}\n${drawn}`);
    },
    clear: () => {
      if (drawn !== '') screen.write(clearLine);
      drawn = '';
    },
  };
}

function printed(screen: Screen, now: () => number): Progress {
  let last = { state: '', at: Number.NEGATIVE_INFINITY };
  return {
    show: (state) => {
      if (state === last.state || now() - last.at < 1_000) return;
      last = { state, at: now() };
      screen.write(`${state}\n`);
    },
    say: (line) => {
      screen.write(`${line}\n`);
    },
    clear: () => {},
  };
}
