import type { ConformanceKit } from './conformance.ts';
import type { ConformanceContext } from './conformance-operations.ts';
import type { Hsm, HsmCapability } from './hsm.ts';

/** The part of the conformance suite that is about what an adapter lacks: one call for each capability, which it must refuse. */
export function conformanceOfRefusals(
  hsm: () => Hsm,
  { expect, krd, test }: ConformanceKit,
  lacks: readonly HsmCapability[],
  expectError: ConformanceContext['expectError'],
): void {
  const calls: Record<HsmCapability, () => Promise<unknown>> = {
    random: () => hsm().random(1),
    'generate-key': () =>
      hsm().generateKey({ usage: 'K0', algorithm: 'A128', modeOfUse: 'B', exportability: 'N' }),
    'form-key-from-components': () => hsm().formKeyFromComponents(['', '']),
    'check-value': () => hsm().checkValue(''),
    'export-initial-key': () =>
      hsm().exportInitialKey({
        bdk: '',
        scheme: 'AES',
        initialKsn: new Uint8Array(8),
        kbpk: '',
        versionId: 'D',
        algorithm: 'A128',
        optionalBlocks: [],
        exportability: 'N',
      }),
    'export-key': () => hsm().exportKey({ key: '', kbpk: '', versionId: 'D' }),
    'import-key': () => hsm().importKey({ keyBlock: '', kbpk: '' }),
    'generate-rsa-key-pair': () => hsm().generateRsaKeyPair({ bits: 2048, use: 'signature' }),
    'generate-tr34-key-pair': () => hsm().generateRsaKeyPair({ bits: 2048, use: 'tr34' }),
    'generate-ec-key-pair': () => hsm().generateEcKeyPair(),
    sign: () => hsm().sign({ privateKey: new Uint8Array(), data: new Uint8Array(1), hash: 'sha256' }),
    'export-tr34': () =>
      hsm().exportTr34({
        key: '',
        kdhPrivateKey: new Uint8Array(),
        kdhCertificate: new Uint8Array(),
        krdCertificate: krd.certificate,
        nonce: new Uint8Array(8),
        crl: new Uint8Array(),
        versionId: 'D',
      }),
    encrypt: () => hsm().encrypt({ key: '', data: new Uint8Array(16) }),
    decrypt: () => hsm().decrypt({ key: '', data: new Uint8Array(16) }),
    'generate-mac': () =>
      hsm().generateMac({ key: '', algorithm: 'cmac', data: new Uint8Array(1), macBytes: 8 }),
    'verify-mac': () =>
      hsm().verifyMac({ key: '', algorithm: 'cmac', data: new Uint8Array(1), mac: new Uint8Array(8) }),
    'verify-signature': () =>
      hsm().verifySignature({
        publicKey: new Uint8Array(),
        data: new Uint8Array(1),
        hash: 'sha256',
        signature: new Uint8Array(256),
      }),
    'request-certificate': () =>
      hsm().requestCertificate({
        publicKey: new Uint8Array(),
        privateKey: new Uint8Array(),
        subject: { commonName: 'KDH' },
      }),
    status: () => hsm().status(),
    'audit-log': async () => {
      await expectError(hsm().acknowledgeAuditRecords(1), 'HSM_UNSUPPORTED');
      await hsm().auditRecords(1);
    },
    'operation-count': async () => expect(await hsm().operationCount()).toBeUndefined(),
  };
  for (const capability of lacks) {
    test(`${capability}: refused, never replaced by something local`, async () => {
      if (capability === 'operation-count') await calls[capability]();
      else await expectError(calls[capability](), 'HSM_UNSUPPORTED');
    });
  }
}
