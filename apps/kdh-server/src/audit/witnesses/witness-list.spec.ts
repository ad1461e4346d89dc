import { describe, expect, test } from '@jest/globals';
import { ConfigError, loadConfig } from '../../config/config.ts';
import { parseWitnessList } from './witness-list.ts';

// Ed25519 keys of 32 equal bytes: for tests only.
const one = 'auditor.example/w1+2a09e825+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU';
const log = 'kdh.example.1+23cb29f4+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c';

describe('KDH_WITNESSES', () => {
  test('none, one, one with a path', () => {
    expect(parseWitnessList('')).toEqual([]);
    expect(parseWitnessList(`http://127.0.0.1:7780 ${one}`)).toMatchObject([
      {
        url: new URL('http://127.0.0.1:7780/add-checkpoint'),
        keyText: one,
        key: { name: 'auditor.example/w1' },
      },
    ]);
    expect(parseWitnessList(`\nhttps://auditor.example/a/  ${one}\n,\n`)).toMatchObject([
      { url: new URL('https://auditor.example/a/add-checkpoint') },
    ]);
  });

  test.each([
    ['no key', 'https://auditor.example'],
    ['no address', one],
    ['an address of another kind', `ftp://auditor.example ${one}`],
    ['a key that is none', `https://auditor.example ${one.slice(0, -1)}`],
    ['a key with another key id', `https://auditor.example ${one.replace('2a09', '2a08')}`],
    ['a key that signs, but does not cosign', `https://auditor.example ${log}`],
    ['one key twice', `https://a.example ${one}, https://b.example ${one}`],
    ['too much', `https://auditor.example ${one} more`],
  ])('refused: %s', (_, text) => {
    expect(parseWitnessList(text)).toBeUndefined();
  });
});

describe('the settings', () => {
  const settings = { KDH_DATABASE_URL: 'postgres:///kdh', KDH_HSM_URL: 'unix:/hsm', KDH_STATE_DIR: 'state' };
  const witnesses = `https://auditor.example ${one}`;

  test('without witnesses nothing is final; with them, all must cosign unless said otherwise', () => {
    expect(loadConfig(settings)).toMatchObject({ KDH_WITNESSES: [], KDH_WITNESS_QUORUM: 0 });
    expect(loadConfig({ ...settings, KDH_WITNESSES: witnesses })).toMatchObject({ KDH_WITNESS_QUORUM: 1 });
  });

  test.each([
    ['a quorum without witnesses', { KDH_WITNESS_QUORUM: '1' }, /KDH_WITNESS_QUORUM/],
    [
      'a quorum larger than their number',
      { KDH_WITNESSES: witnesses, KDH_WITNESS_QUORUM: '2' },
      /at most as many/,
    ],
    ['no quorum', { KDH_WITNESSES: witnesses, KDH_WITNESS_QUORUM: '0' }, /KDH_WITNESS_QUORUM/],
    ['another form', { KDH_WITNESSES: 'auditor.example' }, /expected URL and verifier key/],
  ])('refused: %s', (_, more, reason) => {
    expect(() => loadConfig({ ...settings, ...more })).toThrow(ConfigError);
    expect(() => loadConfig({ ...settings, ...more })).toThrow(reason);
  });
});
