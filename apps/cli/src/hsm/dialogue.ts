import { shortestPassphraseBytes } from '@openkdh/hsm-management';
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

/**
 * Asks for a passphrase that is chosen now, until it is long enough and typed twice alike. Where the answers are lines that
 * somebody has prepared, one that is not throws CLI_MEMBER_INVALID: the next lines are those of others. The caller wipes it.
 */
export async function askNewPassphrase(question: string, dialogue: Dialogue): Promise<Uint8Array> {
  for (;;) {
    const passphrase = await dialogue.askSecret(
      `${question}, of ${shortestPassphraseBytes} characters or more (hidden)`,
    );
    const objection = await objectionTo(passphrase, dialogue).catch((error: unknown) => {
      passphrase.fill(0);
      throw error;
    });
    if (objection === undefined) return passphrase;
    passphrase.fill(0);
    if (!dialogue.canAnswerAgain) throw new CliError('CLI_MEMBER_INVALID', `passphrase: ${objection}`);
    dialogue.tell(`Not taken: ${objection}. Once more from the beginning.`);
  }
}

async function objectionTo(passphrase: Uint8Array, { askSecret }: Dialogue): Promise<string | undefined> {
  if (passphrase.length < shortestPassphraseBytes) return 'it is too short';
  const again = await askSecret('The same once more');
  const isAlike = Buffer.compare(passphrase, again) === 0;
  again.fill(0);
  return isAlike ? undefined : 'these were not the same';
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
