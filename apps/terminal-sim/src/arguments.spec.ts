import { describe, expect, test } from '@jest/globals';
import { help, parseArguments } from './arguments.ts';
import { misbehaviourForms } from './misbehaviour.ts';

const common = [
  ...['--state', '/state', '--kdh', 'wss://127.0.0.1:8443/kdh', '--api', 'http://127.0.0.1:8080'],
  ...['--token-file', '/token', '--profile', 'p-1'],
];

describe('what can be asked for', () => {
  test('a fleet', () => {
    expect(parseArguments(['fleet', '--terminals', '3', ...common])).toEqual({
      serials: ['SIM-000001', 'SIM-000002', 'SIM-000003'],
      debug: false,
      state: '/state',
      kdh: 'wss://127.0.0.1:8443/kdh',
      enrolment: { api: 'http://127.0.0.1:8080', tokenFile: '/token', profileId: 'p-1' },
      misdemeanours: [],
    });
  });

  test('one terminal', () => {
    const parsed = parseArguments(['one', '--serial', 'A-1', '--oracle', '/oracle', ...common]);
    expect(parsed).toMatchObject({ serials: ['A-1'], debug: true, oracleFile: '/oracle' });
  });

  test('help names every misbehaviour', () => {
    expect(parseArguments(['--help'])).toBe('help');
    for (const [form] of misbehaviourForms) expect(help).toContain(`  ${form} `);
  });
});

test.each([
  ['command', []],
  ['command', ['flet', ...common]],
  ['command', ['fleet', 'one', ...common]],
  ['--terminals', ['fleet', ...common]],
  ['--terminals', ['fleet', '--terminals', '0', ...common]],
  ['--terminals', ['fleet', '--terminals', '1e3', ...common]],
  ['--prefix', ['fleet', '--terminals', '1', '--prefix', 'sim', ...common]],
  ['--serial', ['one', ...common]],
  ['--serial', ['one', '--serial', '-A', ...common]],
  ['--state', ['one', '--serial', 'A']],
  ['--kdh', ['one', '--serial', 'A', ...common, '--kdh', 'ws://127.0.0.1']],
  ['--api', ['one', '--serial', 'A', ...common, '--api', 'file:///etc/passwd']],
  ['--misbehave', ['one', '--serial', 'A', ...common, '--misbehave', 'nicely']],
  ['--unknown', ['one', '--serial', 'A', ...common, '--unknown']],
])('refused for %s', (name, args) => {
  expect(() => parseArguments(args)).toThrow(
    expect.objectContaining({ code: 'BAD_ARGUMENT', message: expect.stringContaining(name) }),
  );
});
