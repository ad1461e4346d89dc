import type { Config } from './config.ts';

/** Settings that are secret as a whole. */
const secrets: readonly (keyof Config)[] = ['KDH_METRICS_TOKEN'];

/**
 * The settings as the history may have them: by name, each value as text. Of an address the password is left out, of a
 * secret all but that it is set.
 */
export function recordedSettings(config: Config): Record<string, string> {
  const settings = Object.entries(config).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    settings.map(([name, value]) => [
      name,
      secrets.includes(name as keyof Config) ? 'set' : withoutPassword(textOf(value)),
    ]),
  );
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** `scheme://user:password@host` and `?password=…`, wherever in `text` they stand; to the last `@`, as one may be in a password. */
function withoutPassword(text: string): string {
  return text
    .replace(/(:\/\/[^:@/\s]*):\S*@/g, '$1:…@')
    .replace(/([?&](?:password|pin-value)=)[^&\s]*/gi, '$1…');
}
