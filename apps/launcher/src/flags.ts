import { parseArgs } from 'node:util';
import { LauncherError } from './errors.ts';

/** What the user asked for. */
export interface Flags {
  fresh: boolean;
  once: boolean;
  json: boolean;
  help: boolean;
  terminals: number;
  port: number;
  terminalPort: number;
  timeoutSeconds: number;
}

export const usage = `Usage: npm start -- [options]

Starts PostgreSQL, the soft HSM, one kdh-server and a fleet of simulated terminals, each as a process of its own,
shows how the terminals get their keys, and stays up until Ctrl-C. The next start carries on where this one stopped.

  --fresh               begin anew: removes the state folder first
  --terminals N         size of the fleet (25)
  --once                stop when the fleet holds its keys; exit code 0 only if every load is confirmed
  --timeout SECONDS     how long --once may take (300)
  --json                the final figures as one JSON line on standard output; the rest goes to standard error
  --port N              port of the REST API (8080); 0 takes any free one
  --terminal-port N     port of the terminals (8443); 0 takes any free one
  --help                this text

Environment:
  OPENKDH_STATE         the state folder (.openkdh in the clone)
  DATABASE_URL          use this PostgreSQL (14 or newer) and start none
  REDIS_URL             keep the queue in this Redis
  HSM_URL               use this HSM and start none: tls://host:port (with KDH_HSM_TLS_CERT, _KEY, _CA) or unix:/path
  KDH_…                 any other setting of kdh-server is handed on to it
`;

/** Reads the command line; `args` without node and script. Refuses with BAD_FLAGS. */
export function parseFlags(args: readonly string[]): Flags {
  const { values } = parse(args);
  return {
    fresh: values.fresh,
    once: values.once,
    json: values.json,
    help: values.help,
    terminals: integer('--terminals', values.terminals, 1, 100_000),
    port: integer('--port', values.port, 0, 65_535),
    terminalPort: integer('--terminal-port', values['terminal-port'], 0, 65_535),
    timeoutSeconds: integer('--timeout', values.timeout, 1, 86_400),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: false,
      options: {
        fresh: { type: 'boolean', default: false },
        once: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false, short: 'h' },
        terminals: { type: 'string', default: '25' },
        port: { type: 'string', default: '8080' },
        'terminal-port': { type: 'string', default: '8443' },
        timeout: { type: 'string', default: '300' },
      },
    });
  } catch (cause) {
    const [reason] = (cause as Error).message.split(/[.\n]/); // node adds advice on positional arguments
    throw new LauncherError('BAD_FLAGS', `${reason}; npm start -- --help lists the options`, { cause });
  }
}

function integer(name: string, text: string, least: number, most: number): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new LauncherError('BAD_FLAGS', `${name} takes a number from ${least} to ${most}, not '${text}'`);
}
