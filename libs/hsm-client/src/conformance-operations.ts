/** The part of the conformance suite that is about working keys: encryption, MACs, signatures; and about the HSM's state. */
import type { ConformanceKit } from './conformance.ts';
import type { HsmError, HsmErrorCode } from './errors.ts';
import { type Hsm, type HsmCapability, type KeyPair, type LmkKeyBlock, MAX_DATA_BYTES } from './hsm.ts';

/** What this part shares with the rest of the suite. */
export interface ConformanceContext {
  kit: ConformanceKit;
  hsm(): Hsm;
  testWith(needs: readonly HsmCapability[], title: string, body: () => Promise<void>): void;
  expectError(work: Promise<unknown>, code: HsmErrorCode): Promise<HsmError>;
  /** What `importWorkingKey` needs. */
  canImport: readonly HsmCapability[];
  importWorkingKey(
    algorithm: 'AES' | 'TDES',
    attributes: { keyUsage: string; modeOfUse: string },
    clear: Uint8Array,
  ): Promise<LmkKeyBlock>;
  rsaPair(): Promise<KeyPair>;
  tr34Pair(): Promise<KeyPair>;
}

/** NIST SP 800-38A, F.1.1 and F.2.1, first block. */
const aesVector = {
  key: '2B7E151628AED2A6ABF7158809CF4F3C',
  plain: '6BC1BEE22E409F96E93D7E117393172A',
  ecb: '3AD77BB40D7A3660A89ECAF32466EF97',
  iv: '000102030405060708090A0B0C0D0E0F',
  cbc: '7649ABAC8119B246CEE98E9B12E9197D',
} as const;

/** NIST TDES core example, first block. */
const tdesVector = {
  key: '0123456789ABCDEF23456789ABCDEF01456789ABCDEF0123',
  plain: '5468652071756663',
  ecb: 'A826FD8CE53B855F',
} as const;

const macVectors = [
  {
    source: 'NIST SP 800-38B, D.1, example 2',
    algorithm: 'cmac',
    scheme: 'AES',
    usage: 'M6',
    key: aesVector.key,
    data: aesVector.plain,
    mac: '070A16B46B4D4144',
  },
  {
    source: 'ISO 9797-1, annex B, algorithm 3, padding method 1 (from memory of the annex)',
    algorithm: 'retail-mac',
    scheme: 'TDES',
    usage: 'M3',
    key: '0123456789ABCDEFFEDCBA9876543210',
    data: Buffer.from('Now is the time for all ').toString('hex'),
    mac: 'A1C72E74EA3FA9B6',
  },
] as const;

const tooMuchAndTooLittle = [0, MAX_DATA_BYTES + 1];

/** Tests of `encrypt`, `decrypt`, `generateMac`, `verifyMac`. */
export function conformanceOfDataOperations(context: ConformanceContext): void {
  const { kit, hsm, testWith, expectError, canImport, importWorkingKey } = context;
  const { expect } = kit;
  const canCipher: HsmCapability[] = [...canImport, 'encrypt', 'decrypt'];
  const dataKey = (scheme: 'AES' | 'TDES', modeOfUse = 'B') =>
    importWorkingKey(
      scheme,
      { keyUsage: 'D0', modeOfUse },
      fromHex(scheme === 'AES' ? aesVector.key : tdesVector.key),
    );

  testWith(canCipher, 'encrypt, decrypt: SP 800-38A, AES-128, ECB and CBC', async () => {
    const key = await dataKey('AES');
    const iv = fromHex(aesVector.iv);
    const plain = fromHex(aesVector.plain);
    expect(toHex(await hsm().encrypt({ key, data: plain }))).toBe(aesVector.ecb);
    expect(toHex(await hsm().encrypt({ key, data: plain, iv }))).toBe(aesVector.cbc);
    expect(toHex(await hsm().decrypt({ key, data: fromHex(aesVector.ecb) }))).toBe(aesVector.plain);
    expect(toHex(await hsm().decrypt({ key, data: fromHex(aesVector.cbc), iv }))).toBe(aesVector.plain);
  });

  testWith(canCipher, 'encrypt, decrypt: TDES, and back again at every length', async () => {
    const key = await dataKey('TDES');
    expect(toHex(await hsm().encrypt({ key, data: fromHex(tdesVector.plain) }))).toBe(tdesVector.ecb);
    const iv = new Uint8Array(8).fill(0x11);
    for (const length of [8, 24, MAX_DATA_BYTES]) {
      const data = Uint8Array.from({ length }, (_, i) => i & 0xff);
      const encrypted = await hsm().encrypt({ key, data, iv });
      expect(encrypted).not.toEqual(data);
      expect(await hsm().decrypt({ key, data: encrypted, iv })).toEqual(data);
    }
  });

  testWith(canCipher, 'encrypt, decrypt: what is no request, and what the HSM refuses', async () => {
    const key = await dataKey('AES');
    for (const length of tooMuchAndTooLittle) {
      await expectError(hsm().encrypt({ key, data: new Uint8Array(length) }), 'HSM_BAD_REQUEST');
      await expectError(hsm().decrypt({ key, data: new Uint8Array(length) }), 'HSM_BAD_REQUEST');
    }
    await expectError(hsm().encrypt({ key, data: new Uint8Array(17) }), 'HSM_REFUSED');
    const encryptsOnly = await dataKey('AES', 'E');
    await hsm().encrypt({ key: encryptsOnly, data: new Uint8Array(16) });
    await expectError(hsm().decrypt({ key: encryptsOnly, data: new Uint8Array(16) }), 'HSM_REFUSED');
  });

  for (const { source, algorithm, scheme, usage, ...vector } of macVectors) {
    const canMac: HsmCapability[] = [...canImport, 'generate-mac', 'verify-mac'];
    const macKey = () => importWorkingKey(scheme, { keyUsage: usage, modeOfUse: 'C' }, fromHex(vector.key));
    const data = fromHex(vector.data);

    testWith(canMac, `generateMac, verifyMac: ${source}`, async () => {
      const key = await macKey();
      const mac = fromHex(vector.mac);
      for (const macBytes of [4, 8] as const) {
        const expected = mac.subarray(0, macBytes);
        expect(toHex(await hsm().generateMac({ key, algorithm, data, macBytes }))).toBe(toHex(expected));
        expect(await hsm().verifyMac({ key, algorithm, data, mac: expected })).toBe(true);
      }
      for (let at = 0; at < mac.length; at++) {
        const changed = mac.with(at, mac[at]! ^ 1);
        expect(await hsm().verifyMac({ key, algorithm, data, mac: changed })).toBe(false);
      }
      expect(await hsm().verifyMac({ key, algorithm, data: data.with(0, 0), mac })).toBe(false);
    });

    testWith(canMac, `generateMac ${algorithm}: what is no request; another usage of the key`, async () => {
      const key = await macKey();
      for (const length of tooMuchAndTooLittle) {
        const request = { key, algorithm, data: new Uint8Array(length) };
        await expectError(hsm().generateMac({ ...request, macBytes: 8 }), 'HSM_BAD_REQUEST');
        await expectError(hsm().verifyMac({ ...request, mac: new Uint8Array(8) }), 'HSM_BAD_REQUEST');
      }
      await expectError(hsm().verifyMac({ key, algorithm, data, mac: new Uint8Array(7) }), 'HSM_BAD_REQUEST');
      const another = await dataKey(scheme);
      const work = hsm().generateMac({ key: another, algorithm, data, macBytes: 8 });
      await expectError(work, 'HSM_REFUSED');
    });
  }
}

/** Tests of `verifySignature` and `requestCertificate`. */
export function conformanceOfSignatures(context: ConformanceContext): void {
  const { kit, hsm, testWith, expectError, rsaPair, tr34Pair } = context;
  const { expect } = kit;
  const data = new Uint8Array(100).fill(0x5a);

  const verifies = async (pair: KeyPair, algorithm: 'RSA' | 'EC'): Promise<void> => {
    const { publicKey, privateKey } = pair;
    const signature = await hsm().sign({ privateKey, data, hash: 'sha256', algorithm });
    const request = { publicKey, data, hash: 'sha256', signature } as const;
    expect(await hsm().verifySignature(request)).toBe(true);
    expect(await hsm().verifySignature({ ...request, data: data.with(0, 0) })).toBe(false);
    const last = signature.length - 1;
    const changed = signature.with(last, signature[last]! ^ 1);
    expect(await hsm().verifySignature({ ...request, signature: changed })).toBe(false);
  };

  testWith(['generate-rsa-key-pair', 'sign', 'verify-signature'], 'verifySignature: RSA', async () =>
    verifies(await rsaPair(), 'RSA'),
  );

  testWith(['generate-ec-key-pair', 'sign', 'verify-signature'], 'verifySignature: P-256', async () =>
    verifies(await hsm().generateEcKeyPair(), 'EC'),
  );

  testWith(['verify-signature'], 'verifySignature: a public key that is none is no request', async () => {
    const request = { publicKey: new Uint8Array(90), data, hash: 'sha256', signature: data } as const;
    await expectError(hsm().verifySignature(request), 'HSM_BAD_REQUEST');
  });

  testWith(
    ['generate-tr34-key-pair', 'request-certificate'],
    'requestCertificate: a request that proves possession, with the subject asked for',
    async () => {
      const pair = await tr34Pair();
      const subject = { commonName: 'KDH 1', organisation: 'OpenKDH', country: 'NL' };
      const request = await hsm().requestCertificate({ ...pair, subject });
      expect(kit.openCertificateRequest(request)).toEqual({
        publicKey: pair.publicKey,
        subject: ['C=NL', 'CN=KDH 1', 'O=OpenKDH'],
      });
      const smuggled = { ...pair, subject: { commonName: 'KDH;1' } };
      await expectError(hsm().requestCertificate(smuggled), 'HSM_BAD_REQUEST');
    },
  );
}

/** Tests of `status`, `auditRecords`, `acknowledgeAuditRecords`. */
export function conformanceOfMonitoring(context: ConformanceContext): void {
  const { kit, hsm, testWith, expectError } = context;
  const { expect } = kit;

  testWith(['status'], 'status: not tampered, a master key, no fraud', async () => {
    const status = await hsm().status();
    expect(status).toMatchObject({ tamper: 'none', fraudDetected: false });
    expect(status.serialNumber).toMatch(/^[\x21-\x7e]+$/);
    expect(status.masterKeys.map(({ id }) => id)).toContainEqual(expect.stringMatching(/^\d\d$/));
  });

  testWith(['audit-log'], 'auditRecords: from any record on; none at the end', async () => {
    await hsm().random(1);
    const records = await hsm().auditRecords(1);
    expect(records.length).toBeGreaterThan(1);
    expect((await hsm().auditRecords(2))[0]).toBe(records[1]);
    expect(await hsm().auditRecords(Number.MAX_SAFE_INTEGER)).toEqual([]);
    await expectError(hsm().auditRecords(-1), 'HSM_BAD_REQUEST');
  });

  testWith(['audit-log'], 'acknowledgeAuditRecords: of records that are there', async () => {
    await hsm().acknowledgeAuditRecords(1);
    await expectError(hsm().acknowledgeAuditRecords(Number.MAX_SAFE_INTEGER), 'HSM_REFUSED');
  });
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').toUpperCase();
}
