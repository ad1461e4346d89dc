import { describe, expect, test } from '@jest/globals';
import { SoftHsmError } from './errors.ts';
import { parseServeOptions } from './options.ts';

const live = ['--state', 's', '--socket', 'h.sock', '--passphrase-file', 'p'];
const tls = ['--tls-port', '0', '--tls-cert', 'c', '--tls-key', 'k', '--tls-ca', 'a'];
const refusalOf = (action: () => unknown) => {
  try {
    action();
  } catch (error) {
    if (error instanceof SoftHsmError && error.code === 'SOFT_HSM_USAGE') return error.message;
    throw error;
  }
  return 'accepted';
};

describe('serve', () => {
  test('a live LMK on the unix socket', () => {
    expect(parseServeOptions(live)).toEqual({
      stateFolder: 's',
      socketPath: 'h.sock',
      lmk: { from: 'passphrase', file: 'p' },
      tls: undefined,
      hostsFile: undefined,
      auditLimit: undefined,
      user: undefined,
      keyLengthHiding: true,
      faults: [],
      logLevel: 'info',
    });
  });

  test('a manifest goes with its key', () => {
    const { manifest } = parseServeOptions([...live, '--manifest', 'm.json', '--manifest-key', 'm.pub']);
    expect(manifest).toEqual({ file: 'm.json', keyFile: 'm.pub' });
    expect(refusalOf(() => parseServeOptions([...live, '--manifest', 'm.json']))).toBe(
      '--manifest-key is needed',
    );
  });

  test('authorities of TR-34 come from a file, but under dual control from the officers', () => {
    expect(parseServeOptions([...live, '--authorities', 'a.json']).authoritiesFile).toBe('a.json');
    const dualControl = [...live.slice(0, 4), '--dual-control', '--authorities', 'a.json'];
    expect(refusalOf(() => parseServeOptions(dualControl))).toMatch(/the officers say/);
  });

  test('TLS too', () => {
    expect(parseServeOptions([...live, ...tls]).tls).toEqual({
      host: '127.0.0.1',
      port: 0,
      certFile: 'c',
      keyFile: 'k',
      caFile: 'a',
    });
  });

  test.each([
    [['--test-lmk'], 'AES'],
    [['--test-lmk', '--test-lmk-tdes'], 'TDES'],
  ])('%s', (args, algorithm) => {
    const { lmk } = parseServeOptions(['--state', 's', '--socket', 'h', ...args]);
    expect(lmk).toEqual({ from: 'test', algorithm });
  });

  test.each<[string, string[], RegExp]>([
    ['no state', live.slice(2), /--state is needed/],
    ['no socket', ['--state', 's', '--test-lmk'], /--socket is needed/],
    ['no LMK', live.slice(0, 4), /one of --passphrase-file, --dual-control and --test-lmk/],
    ['two LMKs', [...live, '--test-lmk'], /one of/],
    ['the 3DES test LMK with a live one', [...live, '--test-lmk-tdes'], /goes with --test-lmk/],
    ['TLS without a certificate', [...live, '--tls-port', '0'], /--tls-cert is needed/],
    ['a port that is none', [...live, ...tls, '--tls-port', '65536'], /0 to 65535/],
    ['a port that is no number', [...live, ...tls, '--tls-port', '1e3'], /0 to 65535/],
    [
      'a list of hosts beside the officers',
      ['--state', 's', '--socket', 'h', '--dual-control', '--hosts', 'f'],
      /officers/,
    ],
    ['root as user', [...live, '--user', '0:0'], /not root/],
    ['a user by name', [...live, '--user', 'nobody'], /numbers/],
    ['a limit that is too low', [...live, '--audit-limit', '1'], /10 to/],
    ['a log level that is none', [...live, '--log-level', 'all'], /expected debug/],
    ['a fault in a live HSM', [...live, '--inject-fault', 'log-full'], /needs --test-lmk/],
    [
      'a fault that is none',
      ['--state', 's', '--socket', 'h', '--test-lmk', '--inject-fault', 'x'],
      /expected self-test/,
    ],
    ['an unknown option', [...live, '--insecure'], /--insecure/],
    ['an argument without option', [...live, 'x'], /x/],
  ])('refuses %s', (_, args, reason) => {
    expect(refusalOf(() => parseServeOptions(args))).toMatch(reason);
  });
});
