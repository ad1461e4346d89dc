import { parseArgs } from 'node:util';
import { TerminalSimError } from './errors.ts';
import type { FleetOptions } from './fleet.ts';
import { misbehaviourForms, parseMisbehaviour } from './misbehaviour.ts';

export const help = `Simulated payment terminals.

  terminal-sim fleet --terminals N [--prefix SIM] OPTIONS    SIM-000001 to SIM-N in one process
  terminal-sim one --serial SERIAL OPTIONS                   one terminal; logs the type of every message

  --state DIR          where the terminals keep their keys; its mode becomes 0700
  --kdh URL            wss://host:port of the KDH's terminal gateway
  --api URL            http://host:port of the KDH's REST API, where the terminals are enrolled
  --token-file FILE    holds the operator token for the REST API
  --profile ID         key profile of the terminals
  --misbehave WHAT     NAME[=ARGUMENT][*CONNECTIONS][@SERIAL]; may be given several times
  --oracle FILE        for tests: keeps SHA-256 digests of all initial keys in FILE

Misbehaviour: on every connection or the first so many, of every terminal or one.
${misbehaviourForms.map(([form, does]) => `  ${form.padEnd(27)}${does}`).join('\n')}
`;

/** What the command line asks for. */
export type Arguments = Omit<FleetOptions, 'store' | 'log' | 'random'> & {
  readonly state: string;
  readonly debug: boolean;
};

const text = { type: 'string' } as const;
const options = {
  terminals: text,
  prefix: text,
  serial: text,
  state: text,
  kdh: text,
  api: text,
  'token-file': text,
  profile: text,
  misbehave: { type: 'string', multiple: true },
  oracle: text,
  help: { type: 'boolean' },
} as const;

/** Reads the command line, without the program's own name. @throws TerminalSimError BAD_ARGUMENT */
export function parseArguments(args: readonly string[]): Arguments | 'help' {
  const { values, positionals } = parse(args);
  if (values.help) return 'help';
  const [command] = positionals;
  if ((command !== 'fleet' && command !== 'one') || positionals.length !== 1)
    refuse('command', 'fleet or one');
  return {
    serials:
      command === 'one' ? [serialOf(values.serial)] : fleetSerials(values.terminals, values.prefix ?? 'SIM'),
    debug: command === 'one',
    state: values.state ?? refuse('--state', 'a folder'),
    kdh: urlOf('--kdh', values.kdh, 'wss:'),
    enrolment: {
      api: urlOf('--api', values.api, 'http:', 'https:'),
      tokenFile: values['token-file'] ?? refuse('--token-file', 'a file'),
      profileId: values.profile ?? refuse('--profile', 'the id of a key profile'),
    },
    misdemeanours: (values.misbehave ?? []).map(parseMisbehaviour),
    ...(values.oracle && { oracleFile: values.oracle }),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new TerminalSimError('BAD_ARGUMENT', (error as Error).message, { cause: error });
  }
}

function fleetSerials(terminals: string | undefined, prefix: string): string[] {
  const count = /^[1-9]\d{0,5}$/.test(terminals ?? '')
    ? Number(terminals)
    : refuse('--terminals', '1 to 999999');
  if (!/^[A-Z0-9][A-Z0-9-]{0,24}$/.test(prefix)) refuse('--prefix', '1 to 25 of A-Z, 0-9 and hyphen');
  return Array.from({ length: count }, (_, n) => `${prefix}-${String(n + 1).padStart(6, '0')}`);
}

function serialOf(serial: string | undefined): string {
  if (serial && /^[A-Z0-9][A-Z0-9-]{0,31}$/.test(serial)) return serial;
  return refuse('--serial', '1 to 32 of A-Z, 0-9 and hyphen');
}

function urlOf(name: string, value: string | undefined, ...protocols: string[]): string {
  if (value && URL.canParse(value) && protocols.includes(new URL(value).protocol)) return value;
  return refuse(name, `${protocols.join(' or ')}//host:port`);
}

function refuse(name: string, expected: string): never {
  throw new TerminalSimError('BAD_ARGUMENT', `${name}: ${expected} expected; --help explains`);
}
