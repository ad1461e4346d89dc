import type { LoggerService } from '@nestjs/common';

type Level = 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/**
 * JSON lines on standard output, one object each. Callers log an object with an `event`; never key material. The lines of
 * one turn of the event loop leave in one write, but no later than a warning or worse: the process may be about to end.
 */
export class JsonLog implements LoggerService {
  private pending = '';

  constructor() {
    process.once('exit', () => this.flush());
  }

  log(message: unknown, ...rest: unknown[]): void {
    this.write('info', message, rest);
  }
  warn(message: unknown, ...rest: unknown[]): void {
    this.write('warn', message, rest);
  }
  error(message: unknown, ...rest: unknown[]): void {
    this.write('error', message, rest);
  }
  fatal(message: unknown, ...rest: unknown[]): void {
    this.write('fatal', message, rest);
  }

  private write(level: Level, message: unknown, rest: unknown[]): void {
    const context = rest.at(-1);
    const fields =
      typeof message === 'object' && message !== null ? message : { event: 'log', msg: String(message) };
    const stack = rest.length > 1 ? { stack: String(rest[0]) } : {};
    const line = { time: new Date().toISOString(), level, context, ...fields, ...stack };
    if (this.pending === '') setImmediate(() => this.flush());
    this.pending += `${JSON.stringify(line, (_, value) => (typeof value === 'bigint' ? Number(value) : value))}\n`;
    if (level !== 'info') this.flush();
  }

  private flush(): void {
    if (this.pending !== '') process.stdout.write(this.pending);
    this.pending = '';
  }
}
