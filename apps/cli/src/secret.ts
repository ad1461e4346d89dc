import { readFile } from 'node:fs/promises';
import { CliError } from './errors.ts';
import { askHidden, openTerminal } from './prompt.ts';

/** Where secrets come from, and where to warn. */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly warn: (line: string) => void;
}

/**
 * A secret from where `source` says: `file:PATH`, `env:NAME`, or `prompt`. Anything else is taken for the secret itself,
 * with a warning. White space around it is left off. The caller wipes the result.
 */
export async function readSecret(source: string, option: string, of: Surroundings): Promise<Uint8Array> {
  const [, kind, place = ''] = /^(file|env):(.*)$/s.exec(source) ?? [];
  if (kind === 'file') return trimmed(await readFile(place));
  if (kind === 'env') {
    const value = of.environment[place];
    if (value === undefined) {
      throw new CliError('CLI_USAGE', `--${option}: the environment has no variable ${place}`);
    }
    return trimmed(Buffer.from(value));
  }
  if (source === 'prompt') return askForSecret(option);
  of.warn(
    `openkdh: warning: --${option} on the command line is seen by every user of this machine and kept by the shell; ` +
      'use file:PATH, env:NAME or the prompt',
  );
  return Buffer.from(source);
}

/** Asks at the terminal, hidden. */
export async function askForSecret(option: string): Promise<Uint8Array> {
  const terminal = openTerminal(option);
  try {
    return trimmed(await askHidden(`${option} (hex, hidden)`, terminal));
  } finally {
    terminal.close();
  }
}

function trimmed(text: Uint8Array): Uint8Array {
  const isSpace = (byte: number | undefined) =>
    byte === 0x20 || (byte !== undefined && byte >= 0x09 && byte <= 0x0d);
  let start = 0;
  let end = text.length;
  while (isSpace(text[start])) start++;
  while (end > start && isSpace(text[end - 1])) end--;
  return text.subarray(start, end);
}
