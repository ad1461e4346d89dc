export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

const severity = { debug: 0, info: 1, warn: 2, error: 3 } as const satisfies Record<LogLevel, number>;

/** Values that are fit for a log line: never key fields, only fingerprints of key blocks. */
export type LogFields = Record<string, string | number | boolean | readonly string[] | undefined>;

/** `fields` as a function: called only for a line that is written. */
export type Log = (
  level: LogLevel,
  event: string,
  msg: string,
  fields?: LogFields | (() => LogFields),
) => void;

/** One JSON object per line: time, level, event, msg, then the fields. Lines below `threshold` are left out. */
export function jsonLog(threshold: LogLevel, write: (line: string) => void, now = () => new Date()): Log {
  return (level, event, msg, fields = {}) => {
    if (severity[level] < severity[threshold]) return;
    const shown = typeof fields === 'function' ? fields() : fields;
    write(`${JSON.stringify({ time: now().toISOString(), level, event, msg, ...shown })}\n`);
  };
}
