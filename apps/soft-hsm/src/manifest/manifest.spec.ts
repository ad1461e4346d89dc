import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { canonicalJson } from '@openkdh/hsm-management';
import { changedFiles, type Manifest, makeManifest } from './manifest.ts';
import { measureProgram } from './program-files.ts';

const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const folder = mkdtempSync(join(tmpdir(), 'manifest-'));
const place = { file: join(folder, 'manifest.json'), keyFile: join(folder, 'manifest.pub') };
writeFileSync(place.keyFile, publicKey.export({ format: 'pem', type: 'spki' }));
const signed = makeManifest(privateKey);
const write = (value: unknown) => writeFileSync(place.file, JSON.stringify(value));
const signedAnew = (manifest: Manifest) => ({
  manifest,
  signature: sign(null, Buffer.from(canonicalJson(manifest)), privateKey)
    .toString('hex')
    .toUpperCase(),
});

describe('the manifest', () => {
  test('names the code of the program and of every package that it depends on', () => {
    const packages = new Set(
      Object.keys(signed.manifest.files).map((name) => /^(@[^/]+\/)?[^/]+/.exec(name)?.[0]),
    );
    for (const name of ['soft-hsm', 'block-ciphers', 'dukpt', 'hsm-management', 'tr31', 'tr34']) {
      expect(packages).toContain(`@openkdh/${name}`);
    }
    expect(packages).toContain('node-forge');
    expect(packages).not.toContain('@openkdh/kdh-server');
  });

  test('of the files as they are: nothing is changed', () => {
    write(signed);
    expect(changedFiles(place)).toEqual([]);
  });

  test('of other files: a changed one, one more and one less are named', () => {
    const { 'node-forge/lib/asn1.js': asn1, ...others } = signed.manifest.files;
    const files = { ...others, '@openkdh/tr31/package.json': asn1!, '@openkdh/tr31/dist/gone.js': asn1! };
    write(signedAnew({ ...signed.manifest, files }));
    expect(changedFiles(place)).toEqual([
      '@openkdh/tr31/dist/gone.js',
      '@openkdh/tr31/package.json',
      'node-forge/lib/asn1.js',
    ]);
  });

  test.each<[string, unknown, RegExp]>([
    ['that is none', { files: {} }, /is none/],
    ['with a file taken out', { ...signed, manifest: { ...signed.manifest, files: {} } }, /not signed/],
    ['with a signature cut short', { ...signed, signature: signed.signature.slice(2) }, /not signed/],
    ['of another key', makeManifest(generateKeyPairSync('ed25519').privateKey), /not signed/],
    ['of another firmware', signedAnew({ ...signed.manifest, firmware: '0000-0000' }), /of firmware/],
  ])('%s is refused', (_, value, message) => {
    write(value);
    expect(() => changedFiles(place)).toThrow(message);
  });

  test('that is not there, or with a key that is none, is refused', () => {
    write(signed);
    expect(() => changedFiles({ ...place, file: join(folder, 'none') })).toThrow(/is none/);
    const p256 = join(folder, 'p256.pub');
    const { publicKey: other } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    writeFileSync(p256, other.export({ format: 'pem', type: 'spki' }));
    for (const keyFile of [join(folder, 'none'), place.file, p256]) {
      expect(() => changedFiles({ ...place, keyFile })).toThrow(/is not an Ed25519 public key in PEM/);
    }
  });
});

test('a program is measured: code and package files, through its dependencies', () => {
  const program = join(folder, 'program');
  const inProgram = (path: string, contents: string) => {
    mkdirSync(join(program, path, '..'), { recursive: true });
    writeFileSync(join(program, path), contents);
  };
  inProgram('package.json', '{"name":"a","dependencies":{"b":"1"}}');
  inProgram('dist/main.js', 'main');
  inProgram('dist/main.d.ts', 'types');
  inProgram('node_modules/b/package.json', '{"name":"b","dependencies":{"a":"1"}}');
  inProgram('node_modules/b/index.cjs', 'b');
  inProgram('node_modules/unused/package.json', '{"name":"unused"}');
  const before = measureProgram(program);
  expect(Object.keys(before)).toEqual(['a/dist/main.js', 'a/package.json', 'b/index.cjs', 'b/package.json']);
  inProgram('dist/main.js', 'Main');
  expect(measureProgram(program)['a/dist/main.js']).not.toBe(before['a/dist/main.js']);
});
