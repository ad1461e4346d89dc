import { openSync } from 'node:fs';
import { ReadStream, WriteStream } from 'node:tty';
import { CliError } from './errors.ts';

/** A terminal to ask at. */
export interface Terminal {
  /** Bytes as they are typed; one iterator for all questions. */
  readonly input: AsyncIterator<Uint8Array>;
  readonly write: (text: string) => void;
  /** Without echo and line editing, so that also Ctrl-C arrives as a byte. */
  readonly setRaw: (raw: boolean) => void;
  readonly close: () => void;
}

/** The terminal of this process, whatever standard input is. Throws CLI_MEMBER_MISSING where there is none: `what` is. */
export function openTerminal(what: string): Terminal {
  try {
    const input = new ReadStream(openSync('/dev/tty', 'r'));
    const output = new WriteStream(openSync('/dev/tty', 'w'));
    return {
      input: input[Symbol.asyncIterator](),
      write: (text) => output.write(text),
      setRaw: (raw) => input.setRawMode(raw),
      close: () => {
        input.destroy();
        output.destroy();
      },
    };
  } catch {
    throw new CliError('CLI_MEMBER_MISSING', `${what} is missing, and there is no terminal to ask for it at`);
  }
}

const mostBytes = 16_384;
const keys = {
  ctrlC: 0x03,
  ctrlD: 0x04,
  backspace: 0x08,
  newline: 0x0a,
  enter: 0x0d,
  ctrlU: 0x15,
  delete: 0x7f,
};

/**
 * Asks for one line without showing it. The bytes never become a string; the caller wipes them. Throws CLI_INTERRUPTED
 * on Ctrl-C, and on the end of the input.
 */
export async function askHidden(question: string, terminal: Terminal): Promise<Uint8Array> {
  terminal.setRaw(true);
  try {
    return await readLine(question, terminal);
  } finally {
    terminal.setRaw(false);
    terminal.write('\n');
  }
}

/** Asks for one line, which the terminal shows as it is typed. Throws as `askHidden` does. */
export async function askShown(question: string, terminal: Terminal): Promise<string> {
  return Buffer.from(await readLine(question, terminal))
    .toString('utf8')
    .trim();
}

async function readLine(question: string, { input, write }: Terminal): Promise<Uint8Array> {
  const line = new Uint8Array(mostBytes);
  let length = 0;
  write(`${question}: `);
  try {
    for (;;) {
      const { value: typed, done } = await input.next();
      if (done) throw interrupted();
      try {
        for (const key of typed) {
          if (key === keys.enter || key === keys.newline) return line.slice(0, length);
          if (key === keys.ctrlC || key === keys.ctrlD) throw interrupted();
          if (key === keys.backspace || key === keys.delete) length = Math.max(0, length - 1);
          else if (key === keys.ctrlU) length = 0;
          else if (length < mostBytes) line[length++] = key;
        }
      } finally {
        typed.fill(0);
      }
    }
  } finally {
    line.fill(0);
  }
}

function interrupted(): CliError {
  return new CliError('CLI_INTERRUPTED', 'interrupted');
}
