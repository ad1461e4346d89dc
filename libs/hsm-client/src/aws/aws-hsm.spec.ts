import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { FakeAws, fakeSecret, type Mishap } from '../../../../test/support/fake-aws.ts';
import { conformanceKit } from '../../../../test/support/hsm-conformance-kit.ts';
import { hsmConformance } from '../conformance.ts';
import type { HsmError } from '../errors.ts';
import type { GenerateKeyRequest } from '../hsm.ts';
import { AwsHsm, type AwsOptions } from './aws-hsm.ts';

const aws = new FakeAws();
const endpoint = await aws.listen();
afterAll(() => aws.close());

const open = (options: Partial<AwsOptions> = {}): AwsHsm =>
  new AwsHsm({
    region: 'us-east-1',
    credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: fakeSecret },
    endpoint,
    ...options,
  });

const kit = await conformanceKit();
const krdCertificateAuthority = aws.trust(kit.krd.caCertificate);
const lacks = [
  'form-key-from-components',
  'generate-rsa-key-pair',
  'generate-ec-key-pair',
  'sign',
  'verify-signature',
  'status',
  'operation-count',
  'audit-log',
] as const;

hsmConformance('AWS, against a stand-in', async () => open({ krdCertificateAuthority }), kit, lacks);
hsmConformance('AWS without a CA of the KRDs, against a stand-in', async () => open(), kit, [
  ...lacks,
  'export-tr34',
]);

test('calls signed with another secret are refused, on both planes', async () => {
  const stranger = open({ credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'another' } });
  const refused = { code: 'HSM_REFUSED', answer: 'InvalidSignatureException' };
  await expect(stranger.random(1)).rejects.toMatchObject(refused);
  await expect(stranger.encrypt({ key: 'alias/a', data: new Uint8Array(16) })).rejects.toMatchObject(refused);
  await stranger.close();
});

describe('what is sent again', () => {
  const kek: GenerateKeyRequest = { usage: 'K0', algorithm: 'A128', modeOfUse: 'B', exportability: 'E' };
  let hsm: AwsHsm;
  beforeAll(() => {
    hsm = open({ timeoutMs: 2000 });
  });
  afterAll(() => hsm.close());
  afterEach(() => {
    aws.mishaps.length = 0;
  });

  const errorOf = (work: Promise<unknown>): Promise<HsmError> =>
    work.then(
      () => Promise.reject(new Error('expected an error')),
      (error: HsmError) => error,
    );
  const sentDuring = async (operation: string, work: () => Promise<unknown>): Promise<number> => {
    const before = aws.operations.length;
    await work();
    return aws.operations.slice(before).filter((each) => each === operation).length;
  };
  const throttled: Mishap = { exception: 'ThrottlingException', status: 400 };
  const failed: Mishap = { exception: 'InternalServerException', status: 500, executed: true };
  const hangUp: Mishap = { hangUp: true, executed: true };

  test.each<[string, Mishap]>([
    ['throttled', throttled],
    ['a 500', failed],
    ['a broken connection', hangUp],
  ])('%s, twice: a repeatable call is sent three times', async (_name, mishap) => {
    aws.mishaps.push(mishap, mishap);
    expect(await sentDuring('GenerateRandom', () => hsm.random(16))).toBe(3);
  });

  test('throttled: CreateKey too is sent again, for it was not executed', async () => {
    aws.mishaps.push(throttled);
    expect(await sentDuring('CreateKey', () => hsm.generateKey(kek))).toBe(2);
  });

  describe('the data plane, whose calls are signed here', () => {
    const data = new Uint8Array(16);
    const dataKey = async (): Promise<string> => (await hsm.generateKey({ ...kek, usage: 'D0' })).keyBlock;

    test.each<[string, Mishap]>([
      ['throttled', throttled],
      ['a 500', failed],
      ['a broken connection', hangUp],
    ])('%s, twice: EncryptData is sent three times', async (_name, mishap) => {
      const key = await dataKey();
      aws.mishaps.push(mishap, mishap);
      expect(await sentDuring('EncryptData', () => hsm.encrypt({ key, data }))).toBe(3);
    });

    test('a refusal: its name, the request id, and none of its words', async () => {
      const key = await dataKey();
      aws.mishaps.push({ exception: 'AccessDeniedException', status: 403 });
      const error = await errorOf(hsm.encrypt({ key, data }));
      expect(error).toMatchObject({ code: 'HSM_REFUSED', answer: 'AccessDeniedException' });
      expect(error.message).toBe(
        'EncryptData: AWS refused with AccessDeniedException (request fake-request)',
      );
    });

    test('only VerificationFailedException says that a MAC does not verify', async () => {
      const { keyBlock: key } = await hsm.generateKey({ ...kek, usage: 'M6', modeOfUse: 'C' });
      const request = { key, algorithm: 'cmac', data, mac: new Uint8Array(8) } as const;
      expect(await hsm.verifyMac(request)).toBe(false);
      aws.mishaps.push({ exception: 'ValidationException', status: 400 });
      expect((await errorOf(hsm.verifyMac(request))).code).toBe('HSM_REFUSED');
    });

    test('silence and nobody there: as on the control plane', async () => {
      const key = await dataKey();
      const impatient = open({ timeoutMs: 100 });
      aws.mishaps.push({ silence: true });
      expect((await errorOf(impatient.encrypt({ key, data }))).code).toBe('HSM_TIMEOUT');
      await impatient.close();
      const gone = new FakeAws();
      const nowhere = open({ endpoint: await gone.listen(), timeoutMs: 200 });
      await gone.close();
      const error = await errorOf(nowhere.encrypt({ key, data }));
      expect(error).toMatchObject({ code: 'HSM_UNREACHABLE', mayHaveExecuted: false });
      await nowhere.close();
    });
  });

  test.each<[string, Mishap]>([
    ['a 500', failed],
    ['a broken connection', hangUp],
  ])('%s: CreateKey is sent once, may have been executed', async (_name, mishap) => {
    aws.mishaps.push(mishap);
    const sent = await sentDuring('CreateKey', async () => {
      const error = await errorOf(hsm.generateKey(kek));
      expect(error).toMatchObject({ code: 'HSM_UNREACHABLE', mayHaveExecuted: true });
    });
    expect(sent).toBe(1);
  });

  test.each([
    'AccessDeniedException',
    'ServiceQuotaExceededException',
    'ConflictException',
    'ValidationException',
  ])(
    '%s: HSM_REFUSED, sent once, with the request id and without the words of the service',
    async (exception) => {
      aws.mishaps.push({ exception, status: 400 });
      const sent = await sentDuring('GenerateRandom', async () => {
        const error = await errorOf(hsm.random(16));
        expect(error).toMatchObject({ code: 'HSM_REFUSED', answer: exception, mayHaveExecuted: false });
        expect(error.message).toBe(`GenerateRandom: AWS refused with ${exception} (request fake-request)`);
      });
      expect(sent).toBe(1);
    },
  );

  test.each(['', '{', 'null', '[]', '{}', '<html>'])('an answer that is none: %j', async (garbage) => {
    const key = (await hsm.generateKey({ ...kek, usage: 'D0' })).keyBlock;
    const calls: [string, () => Promise<unknown>][] = [
      ['GenerateRandom', () => hsm.random(16)],
      ['CreateKey', () => hsm.generateKey(kek)],
      ['EncryptData', () => hsm.encrypt({ key, data: new Uint8Array(16) })],
    ];
    for (const [operation, call] of calls) {
      aws.mishaps.push({ garbage });
      const sent = await sentDuring(operation, async () => {
        expect(await errorOf(call())).toMatchObject({ code: 'HSM_BAD_ANSWER', mayHaveExecuted: true });
      });
      expect(sent).toBe(1);
    }
  });

  test('silence: HSM_TIMEOUT, may have been executed', async () => {
    const impatient = open({ timeoutMs: 100 });
    aws.mishaps.push({ silence: true });
    expect(await errorOf(impatient.generateKey(kek))).toMatchObject({
      code: 'HSM_TIMEOUT',
      mayHaveExecuted: true,
    });
    await impatient.close();
  });

  test('throttled until the deadline: the call ends, and may be made again', async () => {
    const impatient = open({ timeoutMs: 150 });
    aws.mishaps.push(...Array.from({ length: 50 }, () => throttled));
    const error = await errorOf(impatient.random(16));
    expect(['HSM_UNREACHABLE', 'HSM_TIMEOUT']).toContain(error.code);
    await impatient.close();
  });

  test('nobody listens: HSM_UNREACHABLE', async () => {
    const nowhere = open({ endpoint: 'http://127.0.0.1:1', timeoutMs: 200 });
    expect((await errorOf(nowhere.random(16))).code).toBe('HSM_UNREACHABLE');
    await nowhere.close();
  });

  test('close: a call under way ends with HSM_CLOSED', async () => {
    const closing = open();
    aws.mishaps.push({ silence: true });
    const before = aws.operations.length;
    const call = errorOf(closing.random(16));
    while (aws.operations.length === before) await new Promise((resolve) => setImmediate(resolve));
    await closing.close();
    expect((await call).code).toBe('HSM_CLOSED');
  });

  test('the algorithm of an initial key is that of its BDK', async () => {
    const bdk = await hsm.generateKey({ usage: 'B0', algorithm: 'A128', modeOfUse: 'X', exportability: 'E' });
    const kbpk = await hsm.generateKey({ ...kek, usage: 'K1', algorithm: 'A256' });
    const error = await errorOf(
      hsm.exportInitialKey({
        bdk: bdk.keyBlock,
        scheme: 'AES',
        initialKsn: new Uint8Array(8),
        kbpk: kbpk.keyBlock,
        versionId: 'D',
        algorithm: 'A256',
        optionalBlocks: [],
        exportability: 'N',
      }),
    );
    expect(error).toMatchObject({ code: 'HSM_BAD_REQUEST', mayHaveExecuted: false });
  });

  test.each(['D9', 'B', ''])('a usage that the service does not have: %p', async (usage) => {
    expect((await errorOf(hsm.generateKey({ ...kek, usage }))).code).toBe('HSM_UNSUPPORTED');
  });
});
