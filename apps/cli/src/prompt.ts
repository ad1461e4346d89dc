import { openSync } from 'node:fs';
import { ReadStream, WriteStream } from 'node:tty';
import { CliError } from './errors.ts';

/** A terminal to ask at. */
export interface Terminal {
  /** Bytes as they are typed. */
  readonly input: AsyncIterable<Uint8Array>;
  readonly write: (text: string) => void;
  /** Without echo and line editing, so that also Ctrl-C arrives as a byte. */
  readonly setRaw: (raw: boolean) => void;
  readonly close: () => void;
}

/** The terminal of this process, whatever standard input is. Throws CLI_MEMBER_MISSING where there is none. */
export function openTerminal(secret: string): Terminal {
  try {
    const input = new ReadStream(openSync('/dev/tty', 'r'));
    const output = new WriteStream(openSync('/dev/tty', 'w'));
    return {
      input,
      write: (text) => output.write(text),
      setRaw: (raw) => input.setRawMode(raw),
      close: () => {
        input.destroy();
        output.destroy();
      },
    };
  } catch {
    throw new CliError(
      'CLI_MEMBER_MISSING',
      `${secret} is missing, and there is no terminal to ask for it at`,
    );
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
  const line = new Uint8Array(mostBytes);
  let length = 0;
  // Not by for-await: leaving it would close the input before its mode is set back.
  const input = terminal.input[Symbol.asyncIterator]();
  terminal.setRaw(true);
  terminal.write(`${question}: `);
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
    terminal.setRaw(false);
    terminal.write('\n');
    terminal.close();
  }
}

function interrupted(): CliError {
  return new CliError('CLI_INTERRUPTED', 'interrupted');
}
