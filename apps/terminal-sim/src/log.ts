export type Level = 'debug' | 'info' | 'warn' | 'error';

/**
 * Writes one log line. `fields` go into it as they are, so they never hold keys, key blocks or whole frames: serial
 * numbers, types, codes, KSNs and KCVs only.
 */
export type Log = (level: Level, event: string, msg: string, fields?: Record<string, unknown>) => void;

/**
 * A log of JSON lines: `{"time","level","event","msg",…}`. Below `least` nothing is written. The lines of one turn of the
 * event loop leave in one `write`: a fleet of thousands would spend more on system calls than on its keys.
 */
export function jsonLog(write: (lines: string) => void, least: Level = 'info'): Log {
  const levels: readonly Level[] = ['debug', 'info', 'warn', 'error'];
  let pending = '';
  const flush = () => {
    write(pending);
    pending = '';
  };
  return (level, event, msg, fields = {}) => {
    if (levels.indexOf(level) < levels.indexOf(least)) return;
    if (pending === '') setImmediate(flush);
    pending += `${JSON.stringify({ time: new Date().toISOString(), level, event, msg, ...fields })}\n`;
  };
}
