import { describe, expect, test } from '@jest/globals';
import { type Hsm, type HsmCapability, hsmCapabilities } from './hsm.ts';
import { withSigningHsm } from './signing-hsm.ts';

/** An HSM whose every answer is its own name and the method that was called. */
function answering(name: string, capabilities: readonly HsmCapability[]): Hsm & { calls: string[] } {
  const calls: string[] = [];
  const known: Record<string, unknown> = { name, calls, capabilities: new Set(capabilities) };
  return new Proxy({} as Hsm & { calls: string[] }, {
    get: (_, property) =>
      known[String(property)] ??
      (async () => {
        calls.push(String(property));
        return property === 'diagnostics'
          ? { firmware: `firmware of ${name}`, lmkCheckValue: name }
          : `${name}: ${String(property)}`;
      }),
  });
}

const signing = answering('token', ['sign', 'generate-ec-key-pair', 'generate-key']);
const keys = answering('aws', ['export-initial-key', 'generate-key', 'generate-rsa-key-pair']);
const both = withSigningHsm(keys, signing);

describe('one Hsm of two', () => {
  test.each<[string, (hsm: Hsm) => Promise<unknown>]>([
    [
      'token: sign',
      (hsm) => hsm.sign({ privateKey: new Uint8Array(), data: new Uint8Array(), hash: 'sha256' }),
    ],
    ['token: generateEcKeyPair', (hsm) => hsm.generateEcKeyPair()],
    ['token: generateRsaKeyPair', (hsm) => hsm.generateRsaKeyPair({ bits: 2048, use: 'signature' })],
    ['aws: generateRsaKeyPair', (hsm) => hsm.generateRsaKeyPair({ bits: 2048, use: 'tr34' })],
    ['aws: random', (hsm) => hsm.random(1)],
    ['aws: operationCount', (hsm) => hsm.operationCount()],
    ['aws: exportKey', (hsm) => hsm.exportKey({ key: '', kbpk: '', versionId: 'D' })],
  ])('%s', async (answer, call) => {
    expect(await call(both)).toBe(answer);
  });

  test('a capability counts only where it is asked for: none stands in for the other', () => {
    expect([...both.capabilities].sort()).toEqual([
      'export-initial-key',
      'generate-ec-key-pair',
      'generate-key',
      'sign',
    ]);
    expect(hsmCapabilities.filter((each) => withSigningHsm(signing, keys).capabilities.has(each))).toEqual([
      'generate-key',
      'generate-rsa-key-pair',
    ]);
  });

  test('diagnostics ask both, and close ends both', async () => {
    expect(await both.diagnostics()).toEqual({
      lmkCheckValue: 'aws',
      firmware: 'firmware of aws; for signatures firmware of token',
    });
    await both.close();
    expect([keys.calls.at(-1), signing.calls.at(-1)]).toEqual(['close', 'close']);
  });
});
