import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { defineCommand } from './command.ts';
import { CliError } from './errors.ts';
import { answerLines } from './json-lines.ts';
import { text } from './members.ts';

const echo = defineCommand({
  name: 'echo',
  summary: '',
  members: { word: text('') },
  run: ({ word }) => {
    if (word === 'refuse') throw new CliError('CLI_MEMBER_INVALID', 'refused');
    if (word === 'break') throw new TypeError('about 0123456789ABCDEF');
    return { word };
  },
});

async function* inPieces(bytes: Uint8Array, sizes: readonly number[]) {
  let at = 0;
  for (let n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length]!;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function answersTo(input: string, sizes: readonly number[] = [input.length + 1]): Promise<string> {
  let answers = '';
  for await (const some of answerLines(echo, {}, inPieces(Buffer.from(input), sizes))) answers += some;
  return answers;
}

const line = (word: string) => `${JSON.stringify({ word })}\n`;

test('one line out for each line in, however the input is cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: 'grapheme' }).filter((word) => word !== 'refuse' && word !== 'break')),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      async (words, sizes) => {
        const lines = words.map(line).join('');
        expect(await answersTo(lines, sizes)).toBe(lines);
      },
    ),
  );
});

test('whatever the lines are, each has an answer that is JSON', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string().map((any) => any.replaceAll('\n', ''))), async (lines) => {
      const answers = await answersTo(lines.map((any) => `${any}\n`).join(''));
      const parsed = answers
        .split('\n')
        .slice(0, -1)
        .map((answer) => JSON.parse(answer));
      expect(parsed).toHaveLength(lines.length);
    }),
  );
});

test('a line that is refused, and one that breaks the command, do not stop the next; a fault is not quoted', async () => {
  expect(await answersTo(line('refuse') + line('break') + line('go on'))).toBe(
    '{"error":{"code":"CLI_MEMBER_INVALID","message":"refused"}}\n' +
      '{"error":{"code":"CLI_FAULT","message":"a fault of openkdh: TypeError"}}\n' +
      line('go on'),
  );
});

describe('the last line', () => {
  test('without a newline is a line', async () => {
    expect(await answersTo(line('a') + line('b').trimEnd())).toBe(line('a') + line('b'));
  });
  test('is not followed by an empty one', async () => {
    expect(await answersTo(line('a'))).toBe(line('a'));
    expect(await answersTo('')).toBe('');
  });
  test('with a carriage return is JSON', async () => {
    expect(await answersTo('{"word":"a"}\r\n')).toBe(line('a'));
  });
});

test('reads on only when the answers were taken, and keeps few of them', async () => {
  let read = 0;
  const pieces = (async function* () {
    for (;;) {
      read++;
      yield Buffer.from(line('x'.repeat(1000)).repeat(100)); // 100 kB
    }
  })();
  const answers = answerLines(echo, {}, pieces);
  for (let taken = 0; taken < 20; taken++) {
    const { value } = await answers.next();
    expect(value!.length).toBeLessThan(70_000);
    expect(read).toBeLessThanOrEqual(1 + taken / 2);
  }
  await answers.return();
});
