import { createPublicKey, verify } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Hsm, type HsmError, hsmCapabilities, withSigningHsm } from '@openkdh/hsm-client';
import { AwsHsm } from '@openkdh/hsm-client/aws';
import { hsmConformance } from '@openkdh/hsm-client/conformance';
import { openPkcs11, type Pkcs11Options } from '@openkdh/hsm-client/pkcs11';
import { acquireModule, releaseModule } from '../../libs/hsm-client/src/pkcs11/modules.ts';
import { FakeAws, fakeSecret } from '../support/fake-aws.ts';
import { conformanceKit } from '../support/hsm-conformance-kit.ts';
import { createSoftHsm2, describeWithSoftHsm2, type SoftHsm2 } from '../support/softhsm2.ts';

const can = ['random', 'generate-rsa-key-pair', 'generate-ec-key-pair', 'sign', 'verify-signature'];
const kit = await conformanceKit();

describeWithSoftHsm2("PKCS#11, on Debian's SoftHSM2", () => {
  let softHsm2: SoftHsm2;
  beforeAll(async () => {
    softHsm2 = await createSoftHsm2();
    softHsm2.useHere();
  });
  afterAll(() => softHsm2.remove());

  const open = (options: Partial<Pkcs11Options> = {}): Promise<Hsm> =>
    openPkcs11({
      modulePath: softHsm2.modulePath,
      token: softHsm2.token,
      readPin: async () => Buffer.from(softHsm2.pin),
      ...options,
    });
  const errorOf = (work: Promise<unknown>): Promise<HsmError> =>
    work.then(
      () => Promise.reject(new Error('expected an error')),
      (error: HsmError) => error,
    );
  const withHsm = async (
    options: Partial<Pkcs11Options>,
    work: (hsm: Hsm) => Promise<void>,
  ): Promise<void> => {
    const hsm = await open(options);
    try {
      await work(hsm);
    } finally {
      await hsm.close();
    }
  };
  const data = Buffer.from('signed on a token');

  hsmConformance(
    'PKCS#11',
    () => open(),
    kit,
    hsmCapabilities.filter((each) => !can.includes(each)),
  );

  const aws = new FakeAws();
  let endpoint: string;
  beforeAll(async () => {
    endpoint = await aws.listen();
  });
  afterAll(() => aws.close());
  hsmConformance(
    'AWS for keys, PKCS#11 for signatures',
    async () => {
      const krdCertificateAuthority = aws.trust(kit.krd.caCertificate);
      const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: fakeSecret };
      const keys = new AwsHsm({ region: 'us-east-1', endpoint, credentials, krdCertificateAuthority });
      return withSigningHsm(keys, await open());
    },
    kit,
    ['form-key-from-components', 'status', 'operation-count', 'audit-log'],
  );

  test('a key made before is found again after a restart, by its reference', async () => {
    let pair: { publicKey: Uint8Array; privateKey: Uint8Array } | undefined;
    await withHsm({}, async (hsm) => {
      pair = await hsm.generateEcKeyPair();
    });
    const { publicKey, privateKey } = pair!;
    expect(Buffer.from(privateKey).toString()).toMatch(/^pkcs11:id=(%[0-9A-F]{2}){16};type=private$/);
    await withHsm({}, async (hsm) => {
      const signature = await hsm.sign({ privateKey, data, hash: 'sha256', algorithm: 'EC' });
      const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
      expect(verify('sha256', data, key, signature)).toBe(true);
    });
  });

  test('what is no reference, and a reference to no key', async () => {
    await withHsm({}, async (hsm) => {
      const sign = (reference: string) =>
        errorOf(hsm.sign({ privateKey: Buffer.from(reference), data, hash: 'sha256', algorithm: 'EC' }));
      expect((await sign('S10032')).code).toBe('HSM_BAD_REQUEST');
      expect((await sign(`pkcs11:id=${'%00'.repeat(16)};type=private`)).code).toBe('HSM_REFUSED');
    });
  });

  test('64 callers at once on 4 sessions: each gets the signature over its own data', async () => {
    await withHsm({ sessions: 4 }, async (hsm) => {
      const { publicKey, privateKey } = await hsm.generateEcKeyPair();
      const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
      await Promise.all(
        Array.from({ length: 64 }, async (_, i) => {
          const own = Buffer.from(`caller ${i}`);
          const signature = await hsm.sign({ privateKey, data: own, hash: 'sha256', algorithm: 'EC' });
          expect(verify('sha256', own, key, signature)).toBe(true);
        }),
      );
    });
  });

  test('the module stays loaded while memory is collected (it once ended in a segmentation fault)', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    await withHsm({}, async (hsm) => {
      for (let i = 0; i < 10; i++) {
        collect();
        await sleep(5); // libraries are unloaded between two turns of the event loop
        expect(await hsm.random(8)).toHaveLength(8);
      }
    });
  });

  test('sessions that were lost: a new login, and the call is made again', async () => {
    let logins = 0;
    const readPin = async () => {
      logins += 1;
      return Buffer.from(softHsm2.pin);
    };
    await withHsm({ readPin }, async (hsm) => {
      const { privateKey } = await hsm.generateEcKeyPair();
      expect(logins).toBe(1);
      const module = await acquireModule(softHsm2.modulePath);
      await module.call('C_Finalize', null);
      await module.call('C_Initialize', null);
      await releaseModule(softHsm2.modulePath);
      await hsm.sign({ privateKey, data, hash: 'sha256', algorithm: 'EC' });
      expect(logins).toBe(2);
    });
  });

  test('a wrong PIN is refused and never tried again; the PIN is wiped', async () => {
    let wrong = false;
    const pins: Buffer[] = [];
    const readPin = async () => {
      pins.push(Buffer.from(wrong ? '00000000' : softHsm2.pin));
      return pins.at(-1)!;
    };
    await withHsm({ readPin }, async (hsm) => {
      wrong = true;
      const module = await acquireModule(softHsm2.modulePath);
      await module.call('C_Finalize', null);
      await module.call('C_Initialize', null);
      await releaseModule(softHsm2.modulePath);
      for (let i = 0; i < 3; i++) {
        const error = await errorOf(hsm.random(1));
        expect(error).toMatchObject({ code: 'HSM_REFUSED', answer: 'CKR_PIN_INCORRECT' });
      }
      expect(pins).toEqual([Buffer.alloc(8), Buffer.alloc(8)]);
    });
  });

  test('no module, no token, a wrong PIN at the start', async () => {
    expect((await errorOf(open({ modulePath: '/nowhere.so' }))).code).toBe('HSM_UNREACHABLE');
    expect((await errorOf(open({ token: 'another' }))).code).toBe('HSM_UNREACHABLE');
    const readPin = async () => Buffer.from('00000000');
    const error = await errorOf(open({ readPin }));
    expect(error).toMatchObject({ code: 'HSM_REFUSED', answer: 'CKR_PIN_INCORRECT' });
    expect(error.message).not.toContain('0000');
  });

  test('a deadline, and the end of the client: the call ends, the module is left in order', async () => {
    await withHsm({ timeoutMs: 1 }, async (hsm) => {
      // 12 ms for an RSA key of 3072 bits, which takes longer
      const error = await errorOf(hsm.generateRsaKeyPair({ bits: 3072, use: 'signature' }));
      expect(error).toMatchObject({ code: 'HSM_TIMEOUT', mayHaveExecuted: true });
    });
    const hsm = await open();
    const call = errorOf(hsm.generateRsaKeyPair({ bits: 3072, use: 'signature' }));
    await hsm.close();
    expect((await call).code).toBe('HSM_CLOSED');
    await withHsm({}, async (again) => {
      expect(await again.random(8)).toHaveLength(8);
    });
  });
});
