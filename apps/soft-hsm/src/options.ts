import { parseArgs } from 'node:util';
import { SoftHsmError } from './errors.ts';
import type { LogLevel } from './log.ts';
import type { ManifestPlace } from './manifest/manifest.ts';
import type { User } from './privileges.ts';

export const usage = `usage: soft-hsm serve --state DIR --socket PATH (--passphrase-file FILE | --dual-control | --test-lmk) [options]
       soft-hsm sign-manifest --key FILE

  --state DIR               folder of this HSM, mode 0700; made if missing
  --socket PATH             unix socket for hosts, in a folder of mode 0700
  --passphrase-file FILE    opens the sealed LMK; at the first start, makes and seals one. Mode 0600
  --dual-control            the LMK is shared among custodians and opened at the management socket
  --test-lmk                the public AES test LMK instead, as LMK 01; never in a folder with a live LMK
  --test-lmk-tdes           with --test-lmk: the public 3DES key block test LMK as LMK 01
  --tls-port N              listen on TLS 1.3 too (0: any port), with these three:
  --tls-cert F --tls-key F --tls-ca F   certificate and key of this HSM, and the CA of its hosts; PEM
  --tls-host HOST           address to listen on, default 127.0.0.1
  --hosts FILE              who may use this HSM and for what, JSON; all others are refused
  --authorities FILE        whom to believe certificates in TR-34, JSON
  --audit-limit N           use no keys with N records of the audit log that are not acknowledged
  --manifest FILE --manifest-key FILE   check the files of this program by what sign-manifest printed
  --no-key-length-hiding    TR-31 blocks as short as the key, as a payShield writes them
  --user UID:GID            started as root, become this user before anything is opened
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
  lmk:
    | { from: 'passphrase'; file: string }
    | { from: 'dual-control' }
    | { from: 'test'; algorithm: 'AES' | 'TDES' };
  tls: TlsOptions | undefined;
  /** List of the hosts; `undefined`: whoever gets through to a socket. */
  hostsFile: string | undefined;
  /** Of TR-34. */
  authoritiesFile: string | undefined;
  auditLimit: number | undefined;
  manifest: ManifestPlace | undefined;
  keyLengthHiding: boolean;
  /** Whom to become, when started as root. */
  user: User | undefined;
  logLevel: LogLevel;
  faults: readonly Fault[];
}

/** What can be made to fail on request, never with a live LMK. */
const faults = ['self-test', 'noise-stuck', 'log-full'] as const;
export type Fault = (typeof faults)[number];

/** Throws SOFT_HSM_USAGE with one sentence. */
export function parseServeOptions(args: string[]): ServeOptions {
  const values = parse(args, {
    state: { type: 'string' },
    socket: { type: 'string' },
    'passphrase-file': { type: 'string' },
    'dual-control': { type: 'boolean', default: false },
    'test-lmk': { type: 'boolean', default: false },
    'test-lmk-tdes': { type: 'boolean', default: false },
    'audit-limit': { type: 'string' },
    manifest: { type: 'string' },
    'manifest-key': { type: 'string' },
    'tls-port': { type: 'string' },
    'tls-cert': { type: 'string' },
    'tls-key': { type: 'string' },
    'tls-ca': { type: 'string' },
    'tls-host': { type: 'string', default: '127.0.0.1' },
    hosts: { type: 'string' },
    authorities: { type: 'string' },
    user: { type: 'string' },
    'inject-fault': { type: 'string', multiple: true, default: [] },
    'no-key-length-hiding': { type: 'boolean', default: false },
    'log-level': { type: 'string', default: 'info' },
  });
  const logLevel = values['log-level'];
  if (!['debug', 'info', 'warn', 'error'].includes(logLevel)) {
    throw new SoftHsmError('SOFT_HSM_USAGE', `--log-level ${logLevel}: expected debug, info, warn or error`);
  }
  if (values['dual-control'] && (values.hosts ?? values.authorities) !== undefined) {
    throw new SoftHsmError(
      'SOFT_HSM_USAGE',
      '--hosts, --authorities: under dual control the officers say who they are',
    );
  }
  return {
    stateFolder: required(values.state, '--state'),
    socketPath: required(values.socket, '--socket'),
    lmk: lmkOptions(values),
    tls:
      values['tls-port'] === undefined
        ? undefined
        : {
            host: values['tls-host'],
            port: wholeNumber('--tls-port', values['tls-port'], 0, 0xffff),
            certFile: required(values['tls-cert'], '--tls-cert'),
            keyFile: required(values['tls-key'], '--tls-key'),
            caFile: required(values['tls-ca'], '--tls-ca'),
          },
    hostsFile: values.hosts,
    authoritiesFile: values.authorities,
    auditLimit:
      values['audit-limit'] === undefined
        ? undefined
        : wholeNumber('--audit-limit', values['audit-limit'], 10, 1_000_000),
    manifest:
      values.manifest === undefined
        ? undefined
        : { file: values.manifest, keyFile: required(values['manifest-key'], '--manifest-key') },
    keyLengthHiding: !values['no-key-length-hiding'],
    user: values.user === undefined ? undefined : readUser(values.user),
    logLevel: logLevel as LogLevel,
    faults: readFaults(values['inject-fault'], values['test-lmk']),
  };
}

/** The file of the Ed25519 private key, PEM. Throws SOFT_HSM_USAGE. */
export function parseSignManifestOptions(args: string[]): string {
  return required(parse(args, { key: { type: 'string' } }).key, '--key');
}

interface LmkValues {
  'passphrase-file'?: string | undefined;
  'dual-control': boolean;
  'test-lmk': boolean;
  'test-lmk-tdes': boolean;
}

function lmkOptions(values: LmkValues): ServeOptions['lmk'] {
  const {
    'passphrase-file': file,
    'dual-control': dualControl,
    'test-lmk': test,
    'test-lmk-tdes': tdes,
  } = values;
  if ([file !== undefined, dualControl, test].filter(Boolean).length !== 1) {
    throw new SoftHsmError(
      'SOFT_HSM_USAGE',
      'one of --passphrase-file, --dual-control and --test-lmk is needed',
    );
  }
  if (tdes && !test) throw new SoftHsmError('SOFT_HSM_USAGE', '--test-lmk-tdes goes with --test-lmk');
  if (file !== undefined) return { from: 'passphrase', file };
  return dualControl ? { from: 'dual-control' } : { from: 'test', algorithm: tdes ? 'TDES' : 'AES' };
}

function readUser(text: string): User {
  const ids = /^(\d{1,9}):(\d{1,9})$/.exec(text);
  if (ids === null || Number(ids[1]) === 0) {
    throw new SoftHsmError('SOFT_HSM_USAGE', `--user ${text}: numbers UID:GID expected, and not root`);
  }
  return { uid: Number(ids[1]), gid: Number(ids[2]) };
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

function wholeNumber(option: string, text: string, least: number, most: number): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < least || number > most) {
    throw new SoftHsmError('SOFT_HSM_USAGE', `${option} ${text}: expected ${least} to ${most}`);
  }
  return number;
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
