import { expect, test } from '@jest/globals';
import { askHidden } from './prompt.ts';

/** A terminal at which these bytes are typed, piece by piece; `log` has what happened to it. */
function typing(...pieces: string[]) {
  const typed = pieces.map((piece) => new Uint8Array(Buffer.from(piece, 'latin1')));
  const log: string[] = [];
  return {
    typed,
    log,
    input: (async function* () {
      yield* typed;
    })(),
    write: (text: string) => log.push(text),
    setRaw: (raw: boolean) => log.push(raw ? '<raw>' : '<cooked>'),
    close: () => {},
  };
}

test.each([
  ['a line', ['secret\r'], 'secret'],
  ['a line in pieces, ended by a newline', ['se', 'cr', 'et\n'], 'secret'],
  ['nothing', ['\r'], ''],
  ['corrections', ['sx\x7fecx\bret\r'], 'secret'],
  ['more corrections than characters', ['a\x7f\x7f\x7fb\r'], 'b'],
  ['a new beginning by Ctrl-U', ['wrong\x15right\r'], 'right'],
  ['more than it holds', [`${'x'.repeat(20_000)}\r`], 'x'.repeat(16_384)],
])('reads %s, and shows none of it', async (_, pieces, expected) => {
  const terminal = typing(...pieces);
  const line = await askHidden('kbpk', terminal);
  expect(Buffer.from(line).toString('latin1')).toBe(expected);
  expect(terminal.log).toEqual(['<raw>', 'kbpk: ', '<cooked>', '\n']);
  expect(terminal.typed.every((piece) => piece.every((byte) => byte === 0))).toBe(true);
});

test.each([
  ['Ctrl-C', ['sec\x03']],
  ['Ctrl-D', ['\x04']],
  ['the end of the input', ['sec']],
])('%s interrupts, and gives the terminal back', async (_, pieces) => {
  const terminal = typing(...pieces);
  await expect(askHidden('kbpk', terminal)).rejects.toMatchObject({ code: 'CLI_INTERRUPTED' });
  expect(terminal.log.slice(-2)).toEqual(['<cooked>', '\n']);
});
