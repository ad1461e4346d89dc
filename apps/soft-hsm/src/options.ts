import { parseArgs } from 'node:util';
import { SoftHsmError } from './errors.ts';
import type { LogLevel } from './log.ts';

export const usage = `usage: soft-hsm serve --state DIR --socket PATH (--passphrase-file FILE | --test-lmk) [options]
       soft-hsm verify-log --log FILE --checkpoint-key HEX

  --state DIR               folder of this HSM, mode 0700; made if missing
  --socket PATH             unix socket for hosts, in a folder of mode 0700
  --passphrase-file FILE    opens the sealed LMK; at the first start, makes and seals one. Mode 0600
  --test-lmk                the public AES test LMK instead, as LMK 01; never in a folder with a live LMK
  --test-lmk-tdes           with --test-lmk: the public 3DES key block test LMK as LMK 01
  --tls-port N              listen on TLS 1.3 too (0: any port), with these three:
  --tls-cert F --tls-key F --tls-ca F   certificate and key of this HSM, and the CA of its hosts; PEM
  --tls-host HOST           address to listen on, default 127.0.0.1
  --hosts FILE              who may use this HSM and for what, JSON; all others are refused
  --no-key-length-hiding    TR-31 blocks as short as the key, as a payShield writes them
  --log-level LEVEL         debug, info (default), warn or error
  --inject-fault FAULT      with --test-lmk, to see it fail: self-test, noise-stuck or log-full`;

export interface TlsOptions {
  host: string;
  port: number;
  certFile: string;
  keyFile: string;
  caFile: string;
}

export interface ServeOptions {
  stateFolder: string;
  socketPath: string;
  lmk: { from: 'passphrase'; file: string } | { from: 'test'; algorithm: 'AES' | 'TDES' };
  tls: TlsOptions | undefined;
  /** List of the hosts; `undefined`: whoever gets through to a socket. */
  hostsFile: string | undefined;
  keyLengthHiding: boolean;
  logLevel: LogLevel;
  faults: readonly Fault[];
}

/** What can be made to fail on request, never with a live LMK. */
const faults = ['self-test', 'noise-stuck', 'log-full'] as const;
export type Fault = (typeof faults)[number];

export interface VerifyLogOptions {
  logFile: string;
  checkpointKey: string;
}

/** Throws SOFT_HSM_USAGE with one sentence. */
export function parseServeOptions(args: string[]): ServeOptions {
  const values = parse(args, {
    state: { type: 'string' },
    socket: { type: 'string' },
    'passphrase-file': { type: 'string' },
    'test-lmk': { type: 'boolean' },
    'test-lmk-tdes': { type: 'boolean' },
    'tls-port': { type: 'string' },
    'tls-cert': { type: 'string' },
    'tls-key': { type: 'string' },
    'tls-ca': { type: 'string' },
    'tls-host': { type: 'string', default: '127.0.0.1' },
    hosts: { type: 'string' },
    'inject-fault': { type: 'string', multiple: true, default: [] },
    'no-key-length-hiding': { type: 'boolean', default: false },
    'log-level': { type: 'string', default: 'info' },
  });
  const logLevel = values['log-level'];
  if (!['debug', 'info', 'warn', 'error'].includes(logLevel)) {
    throw new SoftHsmError('SOFT_HSM_USAGE', `--log-level ${logLevel}: expected debug, info, warn or error`);
  }
  return {
    stateFolder: required(values.state, '--state'),
    socketPath: required(values.socket, '--socket'),
    lmk: lmkOptions(values['passphrase-file'], values['test-lmk'] ?? false, values['test-lmk-tdes'] ?? false),
    tls:
      values['tls-port'] === undefined
        ? undefined
        : {
            host: values['tls-host'],
            port: portNumber(values['tls-port']),
            certFile: required(values['tls-cert'], '--tls-cert'),
            keyFile: required(values['tls-key'], '--tls-key'),
            caFile: required(values['tls-ca'], '--tls-ca'),
          },
    hostsFile: values.hosts,
    keyLengthHiding: !values['no-key-length-hiding'],
    logLevel: logLevel as LogLevel,
    faults: readFaults(values['inject-fault'], values['test-lmk'] ?? false),
  };
}

export function parseVerifyLogOptions(args: string[]): VerifyLogOptions {
  const values = parse(args, { log: { type: 'string' }, 'checkpoint-key': { type: 'string' } });
  return {
    logFile: required(values.log, '--log'),
    checkpointKey: required(values['checkpoint-key'], '--checkpoint-key').toUpperCase(),
  };
}

function lmkOptions(passphraseFile: string | undefined, test: boolean, tdes: boolean): ServeOptions['lmk'] {
  if (test === (passphraseFile !== undefined)) {
    throw new SoftHsmError('SOFT_HSM_USAGE', 'either --passphrase-file or --test-lmk is needed, not both');
  }
  if (tdes && !test) throw new SoftHsmError('SOFT_HSM_USAGE', '--test-lmk-tdes goes with --test-lmk');
  return passphraseFile === undefined
    ? { from: 'test', algorithm: tdes ? 'TDES' : 'AES' }
    : { from: 'passphrase', file: passphraseFile };
}

function readFaults(names: readonly string[], testLmk: boolean): Fault[] {
  const unknown = names.find((name) => !(faults as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw new SoftHsmError('SOFT_HSM_USAGE', `--inject-fault ${unknown}: expected ${faults.join(', ')}`);
  }
  if (names.length > 0 && !testLmk)
    throw new SoftHsmError('SOFT_HSM_USAGE', '--inject-fault needs --test-lmk');
  return names as Fault[];
}

function portNumber(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 0xffff) {
    throw new SoftHsmError('SOFT_HSM_USAGE', `--tls-port ${text}: expected 0 to 65535`);
  }
  return port;
}

function required(value: string | undefined, option: string): string {
  if (value === undefined || value === '') throw new SoftHsmError('SOFT_HSM_USAGE', `${option} is needed`);
  return value;
}

type OptionTable = NonNullable<NonNullable<Parameters<typeof parseArgs>[0]>['options']>;

function parse<const T extends OptionTable>(args: string[], options: T) {
  try {
    return parseArgs({ args, options, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw new SoftHsmError('SOFT_HSM_USAGE', (error as Error).message);
  }
}
