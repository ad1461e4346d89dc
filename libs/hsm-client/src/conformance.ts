/**
 * What every adapter of `Hsm` must do, as one suite of tests. It learns keys in clear only where a terminal would: a
 * key block protection key reaches the kit by TR-34, and under it every other key goes in and out as TR-31.
 */
import { createPublicKey, verify } from 'node:crypto';
import type * as jest from '@jest/globals';
import type { KeyBlockHeader } from '@openkdh/tr31/header';
import {
  type ConformanceContext,
  conformanceOfDataOperations,
  conformanceOfMonitoring,
  conformanceOfSignatures,
} from './conformance-operations.ts';
import { conformanceOfRefusals } from './conformance-refusals.ts';
import type { HsmError, HsmErrorCode } from './errors.ts';
import {
  type Hsm,
  type HsmCapability,
  hsmCapabilities,
  type KeyAlgorithm,
  type KeyPair,
  type LmkKeyBlock,
} from './hsm.ts';

/** What the suite needs and this package must not have: a test runner, and the terminal's side with its ciphers. */
export interface ConformanceKit
  extends Pick<typeof jest, 'afterAll' | 'beforeAll' | 'describe' | 'expect' | 'test'> {
  /** A KRD that the suite sends keys to. */
  readonly krd: {
    /** X.509, DER. */
    readonly certificate: Uint8Array;
    /** Of the CA that issued it, DER. */
    readonly caCertificate: Uint8Array;
    /** Of that CA, DER. */
    readonly crls: readonly Uint8Array[];
    /** A nonce that one token may use. */
    nonce(): Uint8Array;
    /** Opens a key token with all checks of a terminal. */
    open(token: Uint8Array, kdhCertificate: Uint8Array): Promise<{ header: string; key: Uint8Array }>;
  };
  /** Certificate for a KDH signing key and CRL of its CA; DER. */
  certify(publicKey: Uint8Array): Promise<{ certificate: Uint8Array; crl: Uint8Array }>;
  wrapTr31(kbpk: Uint8Array, header: KeyBlockHeader, key: Uint8Array): string;
  unwrapTr31(kbpk: Uint8Array, keyBlock: string): { header: KeyBlockHeader; key: Uint8Array };
  /**
   * Reads a PKCS#10 request, DER, and verifies that the key in it has signed it. `publicKey`: SubjectPublicKeyInfo, DER;
   * `subject`: its parts as `CN=…`, sorted.
   */
  openCertificateRequest(request: Uint8Array): { publicKey: Uint8Array; subject: string[] };
  /** Key components in this HSM, and the check value of the key they form. */
  readonly components?: { readonly blocks: readonly LmkKeyBlock[]; readonly kcv: string };
}

/** Initial keys that others published. */
const initialKeys = {
  /** Recorded on a payShield: test/vectors/payshield.json, a0_mode_b. */
  AES: {
    bdk: 'AFF176C59049CAD1A171A0D55E9162F6',
    initialKsn: 'FFFFFFFFFFFFFF42',
    algorithm: 'A128',
    versionId: 'D',
    key: '35F14B79557F9DAC781B525E796A1AB5',
    kcv: 'DD3ABE',
    optionalBlock: { id: 'IK', data: 'FFFFFFFFFFFFFF42' },
  },
  /** ANSI X9.24-1:2009, annex A.4. */
  TDES: {
    bdk: '0123456789ABCDEFFEDCBA9876543210',
    initialKsn: 'FFFF9876543210E00000',
    algorithm: 'T2',
    versionId: 'B',
    key: '6AC292FAA1315B4D858AB3A3D7D5933A',
    kcv: 'AF8C07',
    optionalBlock: { id: 'KS', data: 'FFFF9876543210E00000' },
  },
} as const;

type Scheme = keyof typeof initialKeys;

/** A key that the kit knows too. */
interface SharedKey {
  readonly block: LmkKeyBlock;
  readonly kcv: string;
  readonly clear: Uint8Array;
}

/**
 * Runs the suite over one adapter. `open` is called twice; each HSM is closed. `lacks`: what the adapter cannot do; its
 * `capabilities` must say the same, and the calls must be refused.
 */
export function hsmConformance(
  name: string,
  open: () => Promise<Hsm>,
  kit: ConformanceKit,
  lacks: readonly HsmCapability[] = [],
): void {
  const { describe, test, expect, beforeAll, afterAll } = kit;

  describe(`Hsm contract: ${name}`, () => {
    let hsm: Hsm;
    beforeAll(async () => {
      hsm = await open();
    });
    afterAll(() => hsm.close());

    /** A test that needs these capabilities. */
    const testWith = (needs: readonly HsmCapability[], title: string, body: () => Promise<void>): void => {
      if (!needs.some((capability) => lacks.includes(capability))) test(title, body);
    };

    const expectError = async (work: Promise<unknown>, code: HsmErrorCode): Promise<HsmError> => {
      const error = await work.then(
        () => Promise.reject(new Error(`expected ${code}, got a result`)),
        (reason: HsmError) => reason,
      );
      expect({ code: error.code, message: error.message }).toMatchObject({ code });
      return error;
    };

    const kdh = once(async (): Promise<KeyPair & { certificate: Uint8Array; crl: Uint8Array }> => {
      const pair = await hsm.generateRsaKeyPair({ bits: 2048, use: 'tr34' });
      return { ...pair, ...(await kit.certify(pair.publicKey)) };
    });

    const rsaPair = once(() => hsm.generateRsaKeyPair({ bits: 2048, use: 'signature' }));

    const sendToKrd = async (key: LmkKeyBlock, versionId: 'B' | 'D', nonce = kit.krd.nonce()) => {
      const { privateKey, certificate, crl } = await kdh();
      const request = { key, kdhPrivateKey: privateKey, kdhCertificate: certificate, crl, nonce, versionId };
      const krd = { krdCertificate: kit.krd.certificate, krdCrls: kit.krd.crls };
      const { token, kcv } = await hsm.exportTr34({ ...request, ...krd });
      return { ...(await kit.krd.open(token, certificate)), kcv };
    };

    /** A KBPK made in the HSM and sent to the KRD. */
    const kbpk = {
      AES: once(() => shareKbpk('A128', 'D')),
      TDES: once(() => shareKbpk('T3', 'B')),
    };
    const shareKbpk = async (algorithm: KeyAlgorithm, versionId: 'B' | 'D'): Promise<SharedKey> => {
      const made = await hsm.generateKey({ usage: 'K1', algorithm, modeOfUse: 'B', exportability: 'E' });
      const { key } = await sendToKrd(made.keyBlock, versionId);
      return { block: made.keyBlock, kcv: made.kcv, clear: key };
    };

    /** The published BDK, imported under the KBPK. */
    const bdk = {
      AES: once(() => importBdk('AES')),
      TDES: once(() => importBdk('TDES')),
    };
    /** `key` as a TR-31 block that a terminal's side made. */
    const blockUnder = (
      { clear }: SharedKey,
      scheme: Scheme,
      attributes: Pick<KeyBlockHeader, 'keyUsage' | 'modeOfUse'>,
      key: Uint8Array,
    ): string =>
      kit.wrapTr31(
        clear,
        {
          ...attributes,
          versionId: initialKeys[scheme].versionId,
          algorithm: scheme === 'AES' ? 'A' : 'T',
          keyVersion: '00',
          exportability: 'E',
          keyContext: '0',
          optionalBlocks: [],
        },
        key,
      );
    const bdkUnder = (under: SharedKey, scheme: Scheme): string =>
      blockUnder(under, scheme, { keyUsage: 'B0', modeOfUse: 'X' }, fromHex(initialKeys[scheme].bdk));
    const importBdk = async (scheme: Scheme): Promise<LmkKeyBlock> => {
      const under = await kbpk[scheme]();
      const { keyBlock } = await hsm.importKey({ keyBlock: bdkUnder(under, scheme), kbpk: under.block });
      return keyBlock;
    };

    const initialKeyRequest = async (scheme: Scheme) => {
      const { initialKsn, algorithm, versionId, optionalBlock } = initialKeys[scheme];
      return {
        bdk: await bdk[scheme](),
        scheme,
        initialKsn: fromHex(initialKsn),
        kbpk: (await kbpk[scheme]()).block,
        versionId,
        algorithm,
        optionalBlocks: [optionalBlock],
        exportability: 'N',
      } as const;
    };
    const canImport: readonly HsmCapability[] = [
      'generate-key',
      'generate-tr34-key-pair',
      'export-tr34',
      'import-key',
    ];
    const canDerive: readonly HsmCapability[] = [...canImport, 'export-initial-key'];

    test('capabilities: all of the contract but what it lacks', () => {
      expect([...hsm.capabilities].sort()).toEqual(
        hsmCapabilities.filter((each) => !lacks.includes(each)).sort(),
      );
    });

    conformanceOfRefusals(() => hsm, kit, lacks, expectError);

    test('diagnostics: the same identity each time', async () => {
      const identity = await hsm.diagnostics();
      expect(identity.lmkCheckValue ?? '000000').toMatch(/^[0-9A-F]{6}$/);
      expect(await hsm.diagnostics()).toEqual(identity);
    });

    testWith(['random'], 'random: as many bytes as asked for, never the same', async () => {
      for (const lengthBytes of [1, 32, 256]) expect(await hsm.random(lengthBytes)).toHaveLength(lengthBytes);
      expect(await hsm.random(16)).not.toEqual(await hsm.random(16));
    });

    testWith(['random'], 'random: 0 and 257 bytes are no request', async () => {
      for (const lengthBytes of [0, 257]) await expectError(hsm.random(lengthBytes), 'HSM_BAD_REQUEST');
    });

    for (const algorithm of ['T2', 'T3', 'A128', 'A192', 'A256'] as const) {
      testWith(
        ['generate-key', 'check-value'],
        `generateKey ${algorithm}: another key each time`,
        async () => {
          const request = { usage: 'K0', algorithm, modeOfUse: 'B', exportability: 'N' } as const;
          const [first, second] = [await hsm.generateKey(request), await hsm.generateKey(request)];
          expect(first.kcv).toMatch(/^[0-9A-F]{6}$/);
          expect(second.keyBlock).not.toBe(first.keyBlock);
          expect(second.kcv).not.toBe(first.kcv);
          expect(await hsm.checkValue(first.keyBlock)).toBe(first.kcv);
        },
      );
    }

    testWith(['generate-key', 'check-value'], 'a key with one character changed is refused', async () => {
      const request = { usage: 'K0', algorithm: 'A128', modeOfUse: 'B', exportability: 'N' } as const;
      const { keyBlock } = await hsm.generateKey(request);
      const error = await expectError(hsm.checkValue(withLastDigitChanged(keyBlock)), 'HSM_REFUSED');
      expect(error.mayHaveExecuted).toBe(false);
      expect(error.message).not.toContain(keyBlock.slice(-16, -1));
    });

    if (kit.components) {
      const { blocks, kcv } = kit.components;
      testWith(
        ['form-key-from-components'],
        'formKeyFromComponents: the key with the known check value',
        async () => {
          expect((await hsm.formKeyFromComponents(blocks)).kcv).toBe(kcv);
        },
      );
    }

    testWith(
      ['generate-key', 'form-key-from-components'],
      'formKeyFromComponents: keys that are no components are refused',
      async () => {
        const request = { usage: 'K0', algorithm: 'A128', modeOfUse: 'B', exportability: 'N' } as const;
        const [first, second] = [await hsm.generateKey(request), await hsm.generateKey(request)];
        await expectError(hsm.formKeyFromComponents([first.keyBlock, second.keyBlock]), 'HSM_REFUSED');
      },
    );

    testWith(
      ['generate-rsa-key-pair', 'sign'],
      'sign: RSASSA-PKCS1-v1_5 with SHA-256, verified',
      async () => {
        const { publicKey, privateKey } = await rsaPair();
        const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
        expect(key.asymmetricKeyDetails).toMatchObject({ modulusLength: 2048, publicExponent: 65537n });
        for (const length of [1, 9999, 10_000, 40_000]) {
          const data = new Uint8Array(length).fill(0x5a);
          const signature = await hsm.sign({ privateKey, data, hash: 'sha256' });
          expect(verify('sha256', data, key, signature)).toBe(true);
          expect(await hsm.sign({ privateKey, data, hash: 'sha256' })).toEqual(signature);
        }
      },
    );

    testWith(['generate-ec-key-pair', 'sign'], 'sign: ECDSA over P-256 with SHA-256, verified', async () => {
      const { publicKey, privateKey } = await hsm.generateEcKeyPair();
      const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
      expect(key.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
      const data = new Uint8Array(100).fill(0xa5);
      const signature = await hsm.sign({ privateKey, data, hash: 'sha256', algorithm: 'EC' });
      expect(verify('sha256', data, key, signature)).toBe(true);
      expect(verify('sha256', data.with(0, 0), key, signature)).toBe(false);
    });

    testWith(
      ['generate-key', 'generate-tr34-key-pair', 'export-tr34'],
      'exportTr34: the KRD opens the token and holds the key; another KRD nonce is not accepted',
      async () => {
        const { keyBlock, kcv } = await hsm.generateKey({
          usage: 'K1',
          algorithm: 'A128',
          modeOfUse: 'B',
          exportability: 'E',
        });
        const opened = await sendToKrd(keyBlock, 'D');
        expect(opened.kcv).toBe(kcv);
        expect(opened.key).toHaveLength(16);
        expect(opened.header).toMatch(/^D\d{4}K1AB/);
        await kit
          .expect(sendToKrd(keyBlock, 'D', new Uint8Array(16)))
          .rejects.toMatchObject({ code: 'TR34_NONCE_REFUSED' });
      },
    );

    for (const scheme of ['AES', 'TDES'] as const) {
      const { key, kcv, optionalBlock, initialKsn } = initialKeys[scheme];

      testWith(
        canDerive,
        `exportInitialKey ${scheme}: the published key, a new block each time`,
        async () => {
          const request = await initialKeyRequest(scheme);
          const [first, second] = [await hsm.exportInitialKey(request), await hsm.exportInitialKey(request)];
          expect(first.kcv).toBe(kcv);
          expect(second.keyBlock).not.toBe(first.keyBlock);
          for (const exported of [first, second]) {
            const opened = kit.unwrapTr31((await kbpk[scheme]()).clear, exported.keyBlock);
            expect(toHex(opened.key)).toBe(key);
            expect(opened.header).toMatchObject({
              versionId: request.versionId,
              keyUsage: 'B1',
              algorithm: scheme === 'AES' ? 'A' : 'T',
              modeOfUse: 'X',
              exportability: 'N',
            });
            expect(opened.header.optionalBlocks).toContainEqual(optionalBlock);
          }
        },
      );

      testWith(canDerive, `exportInitialKey ${scheme}: 100 KSNs at once, each its own key`, async () => {
        const request = await initialKeyRequest(scheme);
        const requests = Array.from({ length: 100 }, (_, i) => {
          const ksn = fromHex(initialKsn);
          ksn[5] = i;
          return { ...request, initialKsn: ksn, optionalBlocks: [{ ...optionalBlock, data: toHex(ksn) }] };
        });
        const once = await Promise.all(requests.map((each) => hsm.exportInitialKey(each)));
        const again = await Promise.all(requests.map((each) => hsm.exportInitialKey(each)));
        expect(again.map((exported) => exported.kcv)).toEqual(once.map((exported) => exported.kcv));
        const { clear } = await kbpk[scheme]();
        const keys = once.map(({ keyBlock }) => toHex(kit.unwrapTr31(clear, keyBlock).key));
        expect(new Set(keys).size).toBe(100);
      });

      testWith(canDerive, `exportInitialKey ${scheme}: a KSN of another length is no request`, async () => {
        const request = await initialKeyRequest(scheme);
        for (const length of [0, request.initialKsn.length - 1, request.initialKsn.length + 1]) {
          const work = hsm.exportInitialKey({ ...request, initialKsn: new Uint8Array(length) });
          await expectError(work, 'HSM_BAD_REQUEST');
        }
      });

      testWith(canDerive, `importKey ${scheme}: check value; a changed block is refused`, async () => {
        const under = await kbpk[scheme]();
        const keyBlock = bdkUnder(under, scheme);
        expect((await hsm.importKey({ keyBlock, kbpk: under.block })).kcv).toMatch(/^[0-9A-F]{6}$/);
        const changed = withLastDigitChanged(keyBlock);
        await expectError(hsm.importKey({ keyBlock: changed, kbpk: under.block }), 'HSM_REFUSED');
      });
    }

    testWith(canDerive, 'exportInitialKey: a 256-bit key does not leave under a 128-bit key', async () => {
      const request = await initialKeyRequest('AES');
      const { keyBlock } = await hsm.generateKey({
        usage: 'B0',
        algorithm: 'A256',
        modeOfUse: 'X',
        exportability: 'E',
      });
      await expectError(
        hsm.exportInitialKey({ ...request, bdk: keyBlock, algorithm: 'A256' }),
        'HSM_REFUSED',
      );
    });

    testWith(canDerive, 'exportInitialKey: a BDK that must not leave lets no key leave either', async () => {
      const request = await initialKeyRequest('AES');
      const { keyBlock } = await hsm.generateKey({
        usage: 'B0',
        algorithm: 'A128',
        modeOfUse: 'X',
        exportability: 'N',
      });
      await expectError(hsm.exportInitialKey({ ...request, bdk: keyBlock }), 'HSM_REFUSED');
    });

    testWith(canDerive, 'exportInitialKey: a key of another usage is no BDK', async () => {
      const request = await initialKeyRequest('AES');
      const error = await hsm
        .exportInitialKey({ ...request, bdk: request.kbpk })
        .catch((reason: HsmError) => reason);
      expect(['HSM_BAD_REQUEST', 'HSM_REFUSED']).toContain((error as HsmError).code);
    });

    testWith(
      [...canDerive, 'export-key'],
      'exportKey: an exportable key, and never one that is not',
      async () => {
        const under = await kbpk.AES();
        const request = { usage: 'K0', algorithm: 'A128', modeOfUse: 'B' } as const;
        const exportable = await hsm.generateKey({ ...request, exportability: 'E' });
        const exported = await hsm.exportKey({ key: exportable.keyBlock, kbpk: under.block, versionId: 'D' });
        expect(exported.kcv).toBe(exportable.kcv);
        expect(kit.unwrapTr31(under.clear, exported.keyBlock).header.keyUsage).toBe('K0');
        const kept = await hsm.generateKey({ ...request, exportability: 'N' });
        await expectError(
          hsm.exportKey({ key: kept.keyBlock, kbpk: under.block, versionId: 'D' }),
          'HSM_REFUSED',
        );
      },
    );

    testWith(
      [...canDerive, 'operation-count'],
      'operationCount: one more for each key that left',
      async () => {
        const request = await initialKeyRequest('AES');
        const before = (await hsm.operationCount())!;
        await Promise.all([1, 2, 3].map(() => hsm.exportInitialKey(request)));
        expect(await hsm.operationCount()).toBe(before + 3n);
      },
    );

    const context: ConformanceContext = {
      kit,
      hsm: () => hsm,
      testWith,
      expectError,
      canImport,
      async importWorkingKey(scheme, attributes, key) {
        const under = await kbpk[scheme]();
        const block = blockUnder(under, scheme, attributes, key);
        return (await hsm.importKey({ keyBlock: block, kbpk: under.block })).keyBlock;
      },
      rsaPair,
      tr34Pair: kdh,
    };
    conformanceOfDataOperations(context);
    conformanceOfSignatures(context);
    conformanceOfMonitoring(context);
  });

  describe(`Hsm contract: ${name}, closed`, () => {
    test('every call throws HSM_CLOSED; closing again is nothing', async () => {
      const hsm = await open();
      await hsm.close();
      await expect(hsm.diagnostics()).rejects.toMatchObject({ code: 'HSM_CLOSED' });
      await hsm.close();
    });
  });
}

/** A row for each capability, a column for each adapter, as Markdown: the table of docs/hsm-adapters.md. */
export function capabilityTable(adapters: Readonly<Record<string, Pick<Hsm, 'capabilities'>>>): string {
  const row = (...cells: string[]): string => `| ${cells.join(' | ')} |`;
  const columns = Object.values(adapters);
  return [
    row('capability', ...Object.keys(adapters)),
    row('---', ...columns.map(() => '---')),
    ...hsmCapabilities.map((each) =>
      row(each, ...columns.map(({ capabilities }) => (capabilities.has(each) ? 'yes' : '–'))),
    ),
  ].join('\n');
}

function once<Result>(make: () => Promise<Result>): () => Promise<Result> {
  let made: Promise<Result> | undefined;
  return () => (made ??= make());
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').toUpperCase();
}

function withLastDigitChanged(text: string): string {
  return text.slice(0, -1) + (text.endsWith('0') ? '1' : '0');
}
