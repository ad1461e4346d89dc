import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { publishedJson, publishedTest } from '../test/published-vectors.ts';
import { hex, logSigner, vectors } from '../test/sample-log.ts';
import { formatVerifierKey, parseVerifierKey, verifierKey } from './index.ts';

const malformed = expect.objectContaining({ code: 'TLOG_MALFORMED' });
const sample = formatVerifierKey(logSigner.key);

function spki(namedCurve: string): Uint8Array {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve });
  return publicKey.export({ type: 'spki', format: 'der' });
}

test('C2SP signed-note: name+hash+base64, for each type', () => {
  const keys = [vectors.keys.log, ...vectors.keys.witnesses, vectors.rekor].map(({ vkey }) => vkey);
  expect(keys.map((vkey) => parseVerifierKey(vkey).type)).toEqual([
    'ed25519',
    'cosignature/v1',
    'cosignature/v1',
    'ecdsa-sha256',
  ]);
  expect(keys.map((vkey) => formatVerifierKey(parseVerifierKey(vkey)))).toEqual(keys);
});

publishedTest('the keys of C2SP, Go, sum.golang.org, tessera and transparency-dev/formats', () => {
  const keys = [
    publishedJson<{ vkey: string }>('notes/c2sp-examples.json').vkey,
    publishedJson<{ vkey: string }>('tessera_testlog/testlog-key.json').vkey,
    ...publishedJson<{ vkeys_ok: string[] }>('notes/formats-cosigv1.json').vkeys_ok,
    ...publishedJson<{ extra_verifiers: string[] }>('notes/formats-sumdb-multisig.json').extra_verifiers,
  ];
  expect(keys.map((vkey) => formatVerifierKey(parseVerifierKey(vkey)))).toEqual(keys);
  const bad = [
    ...publishedJson<{ bad_vkeys: string[] }>('notes/go-note-vectors.json').bad_vkeys,
    ...publishedJson<{ vkeys_bad: string[] }>('notes/formats-cosigv1.json').vkeys_bad,
  ];
  expect(bad).toHaveLength(5);
  for (const vkey of bad) expect(() => parseVerifierKey(vkey)).toThrow(malformed);
});

describe('refuses', () => {
  test('a changed character anywhere', () => {
    for (let at = 0; at < sample.length; at++) {
      const changed = sample.slice(0, at) + (sample[at] === 'x' ? 'y' : 'x') + sample.slice(at + 1);
      expect(() => parseVerifierKey(changed)).toThrow(malformed);
    }
  });

  test('every shorter text, and a longer one', () => {
    for (let length = 0; length < sample.length; length++) {
      expect(() => parseVerifierKey(sample.slice(0, length))).toThrow(malformed);
    }
    for (const text of [`${sample}A`, `${sample}=`, `${sample}\n`, ` ${sample}`]) {
      expect(() => parseVerifierKey(text)).toThrow(malformed);
    }
  });

  test('an Ed25519 key of any other length', () => {
    for (let length = 0; length <= 65; length++) {
      const make = () => verifierKey('a', 'ed25519', new Uint8Array(length).fill(1));
      if (length === 32) expect(make).not.toThrow();
      else expect(make).toThrow(`Ed25519 public key: expected 32 bytes, got ${length}`);
    }
  });

  test('an ECDSA key that is not on P-256, or no key', () => {
    expect(verifierKey('a', 'ecdsa-sha256', spki('P-256')).type).toBe('ecdsa-sha256');
    for (const other of [spki('P-384'), spki('secp256k1'), new Uint8Array(91), new Uint8Array(0)]) {
      expect(() => verifierKey('a', 'ecdsa-sha256', other)).toThrow(malformed);
    }
  });

  test.each(['', ' ', 'a b', 'a+b', 'a\u00a0b', 'a\u2003', 'a\n', 'a\u0007', 'a\ud800'])(
    'the name %j',
    (name) => {
      expect(() => verifierKey(name, 'ed25519', logSigner.key.publicKey)).toThrow(malformed);
    },
  );
});

test('the same public key has another key id under another name and as another type', () => {
  const { publicKey } = logSigner.key;
  const ids = [
    verifierKey('a', 'ed25519', publicKey),
    verifierKey('b', 'ed25519', publicKey),
    verifierKey('a', 'cosignature/v1', publicKey),
  ].map(({ keyId }) => keyId);
  expect(new Set(ids).size).toBe(3);
  expect(hex(publicKey)).toHaveLength(64);
});
