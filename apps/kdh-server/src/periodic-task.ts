import type { Logger } from '@nestjs/common';

interface Options {
  everyMilliseconds: number;
  logger: Logger;
  /** Logged as a warning, with the error's code and message, when the work fails; it is tried again at its next time. */
  failureEvent: string;
}

/** Work that is done every so often, never twice at the same time. */
export class PeriodicTask {
  private readonly options: Options;
  private readonly work: () => Promise<void>;
  private timer: NodeJS.Timeout | undefined;
  private underWay: Promise<void> | undefined;
  private wanted = false;

  constructor(options: Options, work: () => Promise<void>) {
    this.options = options;
    this.work = work;
  }

  /** The work begins when the interval has passed for the first time, or at a wake-up. */
  start(): void {
    this.timer = setInterval(() => this.begin(), this.options.everyMilliseconds);
  }

  /** Does the work now, and if it is under way, once more after it. Does nothing before `start` and after `stop`. */
  wake(): void {
    if (this.underWay !== undefined) this.wanted = true;
    else this.begin();
  }

  /** Work that takes many steps looks here between them. */
  get stopping(): boolean {
    return this.timer === undefined;
  }

  /** Resolves when the work that is under way has ended; none begins any more. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    this.timer = undefined;
    await this.underWay;
  }

  private begin(): void {
    if (this.timer !== undefined) this.underWay ??= this.run();
  }

  private async run(): Promise<void> {
    do {
      this.wanted = false;
      try {
        await this.work();
      } catch (error) {
        const { code, message } = error as Error & { code?: string };
        this.options.logger.warn({ event: this.options.failureEvent, code, msg: message });
      }
    } while (this.wanted && !this.stopping);
    this.underWay = undefined;
  }
}
