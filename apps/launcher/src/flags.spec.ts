import { describe, expect, test } from '@jest/globals';
import { parseFlags, usage } from './flags.ts';

test('without flags: 25 terminals on the usual ports, and nothing else', () => {
  expect(parseFlags([])).toEqual({
    fresh: false,
    once: false,
    json: false,
    help: false,
    terminals: 25,
    port: 8080,
    terminalPort: 8443,
    timeoutSeconds: 300,
  });
});

test('every flag', () => {
  const args = '--fresh --once --json --terminals 500 --port 0 --terminal-port=9443 --timeout 20'.split(' ');
  expect(parseFlags(args)).toEqual({
    fresh: true,
    once: true,
    json: true,
    help: false,
    terminals: 500,
    port: 0,
    terminalPort: 9443,
    timeoutSeconds: 20,
  });
});

test('the help names every flag', () => {
  for (const name of ['fresh', 'once', 'json', 'help', 'terminals', 'port', 'terminal-port', 'timeout']) {
    expect(usage).toContain(`--${name}`);
  }
});

describe('what is not understood is refused with one line that names it', () => {
  test.each([
    [['--frehs'], '--frehs'],
    [['25'], '25'],
    [['--terminals'], '--terminals'],
    [['--terminals', '0'], '--terminals takes a number from 1 to 100000'],
    [['--terminals', '1e3'], '1e3'],
    [['--terminals', '-5'], '--terminals'],
    [['--port', '65536'], '--port takes a number from 0 to 65535'],
    [['--port', ''], '--port'],
    [['--terminal-port', 'https'], 'https'],
    [['--timeout', '0'], '--timeout'],
    [['--once=yes'], '--once'],
  ])('%j', (args, named) => {
    expect(() => parseFlags(args)).toThrow(
      expect.objectContaining({
        code: 'BAD_FLAGS',
        message: expect.stringMatching(/^[^\n]+$/),
      }),
    );
    expect(() => parseFlags(args)).toThrow(named);
  });
});
