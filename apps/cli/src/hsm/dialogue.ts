import { CliError } from '../errors.ts';
import { askHidden, askShown, openTerminal, type Terminal } from '../prompt.ts';
import { printable } from '../text/printable.ts';

/** Who takes part in a ceremony is told what happens, and asked for what only they know. */
export interface Dialogue {
  /** At a terminal; not where the answers are lines that somebody has prepared. */
  readonly canAnswerAgain: boolean;
  tell(line: string): void;
  ask(question: string): Promise<string>;
  /** Not shown. The caller wipes it. */
  askSecret(question: string): Promise<Uint8Array>;
}

/**
 * Runs `talk` at the terminal; where standard input is none, its lines are the answers, in the order of the questions.
 * Never by arguments: those can be read by everybody on the machine.
 */
export async function withDialogue<Result>(talk: (dialogue: Dialogue) => Promise<Result>): Promise<Result> {
  const terminal = process.stdin.isTTY ? openTerminal('an answer') : standardInput();
  try {
    return await talk({
      canAnswerAgain: process.stdin.isTTY === true,
      tell: (line) => terminal.write(`${printable(line)}\n`),
      ask: (question) => askShown(printable(question), terminal),
      askSecret: (question) => askHidden(printable(question), terminal),
    });
  } finally {
    terminal.close();
  }
}

/** Asks for a secret that is chosen now, until it is typed twice alike. The caller wipes it. */
export async function askNewSecret(question: string, { tell, askSecret }: Dialogue): Promise<Uint8Array> {
  for (;;) {
    const secret = await askSecret(question);
    const again = await askSecret('The same once more').catch((error: unknown) => {
      secret.fill(0);
      throw error;
    });
    const alike = Buffer.compare(secret, again) === 0;
    again.fill(0);
    if (alike) return secret;
    secret.fill(0);
    tell('These were not the same; once more from the beginning.');
  }
}

function standardInput(): Terminal {
  return {
    input: linesOf(process.stdin),
    write: (text) => process.stderr.write(text),
    setRaw: () => {},
    close: () => process.stdin.destroy(),
  };
}

const newline = 0x0a;

/** The input in pieces that end at the end of a line, so that each question reads its own answer only. */
async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of input) {
    let start = 0;
    while (start < chunk.length) {
      const end = chunk.indexOf(newline, start) + 1 || chunk.length;
      yield chunk.subarray(start, end);
      start = end;
    }
  }
  throw new CliError('CLI_MEMBER_MISSING', 'an answer is missing: standard input has ended');
}
