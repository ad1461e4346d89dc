/**
 * A time in which something must come from a socket. It is over only once all sockets have been looked at after it: timers
 * come first in a turn of the event loop, and after a long turn what came in time is still to be read.
 */
export class Deadline {
  private timer: NodeJS.Timeout | undefined;
  private look: NodeJS.Immediate | undefined;

  /** `passed` is called after so many milliseconds, unless `clear` or another `start` comes before. */
  start(milliseconds: number, passed: () => void): void {
    this.clear();
    this.timer = setTimeout(() => {
      // Between timers and immediates the event loop reads every socket that has something.
      this.look = setImmediate(passed);
    }, milliseconds);
  }

  clear(): void {
    clearTimeout(this.timer);
    clearImmediate(this.look);
  }
}
