import type { Command, Request } from './command.ts';
import { CliError, type CliErrorCode, type Refusal, refusalOf } from './errors.ts';

/** Longest line in bytes: room for a token with large CRLs. What is longer is refused without being kept. */
export const longestLine = 16 * 1024 * 1024;
/** Answers are handed on when they are this many characters, and at the end of each piece of input. */
const answersAtOnce = 64 * 1024;

/**
 * Answers JSON lines: one object in, one object out, in order; a line that cannot be answered gets
 * `{error: {code, message}}`. Reads on only when what it yielded was taken. `given`: members that a line may leave out.
 */
export async function* answerLines(
  command: Command,
  given: Request,
  input: AsyncIterable<Uint8Array>,
): AsyncGenerator<string, void> {
  let answers = '';
  for await (const lines of linesOf(input)) {
    for (const line of lines) {
      answers += `${JSON.stringify(await answerLine(command, given, line))}\n`;
      if (answers.length < answersAtOnce) continue;
      yield answers;
      answers = '';
    }
    if (answers.length > 0) yield answers;
    answers = '';
  }
}

async function answerLine(command: Command, given: Request, line: Line): Promise<object> {
  try {
    return (await command.run({ ...given, ...parseLine(line) })).answer;
  } catch (error) {
    return { error: refusalOf(error) ?? fault(error) };
  }
}

/** Never the message of a foreign error: it might quote what was given. */
function fault(error: unknown): Refusal {
  const code: CliErrorCode = 'CLI_FAULT';
  return { code, message: `a fault of openkdh: ${(error as Error).name}` };
}

function parseLine(line: Line): Request {
  if (line === 'too long') {
    throw new CliError(
      'CLI_LINE_TOO_LONG',
      `expected a line of at most ${longestLine} bytes, got a longer one`,
    );
  }
  const value = parseJson(line.toString('utf8'));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CliError('CLI_NOT_JSON', 'expected a JSON object, got another JSON value');
  }
  return value as Request;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // V8's message quotes the text, in which there may be a key.
    throw new CliError(
      'CLI_NOT_JSON',
      `expected a JSON object, got ${text.length} characters that are not JSON`,
    );
  }
}

type Line = Buffer | 'too long';

/** The lines that end in each piece of input; at the end also one without a newline. */
async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<Line[], void> {
  let begun: Buffer[] = []; // the beginning of a line whose end is still to come
  let begunBytes = 0;
  const finish = (last: Buffer): Line => {
    const line = begunBytes + last.length > longestLine ? 'too long' : Buffer.concat([...begun, last]);
    begun = [];
    begunBytes = 0;
    return line;
  };
  for await (const piece of input) {
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.length);
    const lines: Line[] = [];
    let start = 0;
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, start)) {
      lines.push(finish(bytes.subarray(start, end)));
      start = end + 1;
    }
    begunBytes += bytes.length - start;
    if (begunBytes > longestLine) begun = [];
    else if (start < bytes.length) begun.push(bytes.subarray(start));
    yield lines;
  }
  if (begunBytes > 0) yield [finish(Buffer.alloc(0))];
}

const newline = 0x0a;
