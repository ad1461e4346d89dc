import { createPublicKey, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connectPayShield } from '@openkdh/hsm-client';
import { AwsHsm } from '@openkdh/hsm-client/aws';
import { capabilityTable, hsmConformance } from '@openkdh/hsm-client/conformance';
import { openPkcs11 } from '@openkdh/hsm-client/pkcs11';
import { issueCrl, issueRoot, readCrl } from '@openkdh/pki';
import { lmkHandle } from '@openkdh/tr31/thales';
import { conformanceKit } from '../support/hsm-conformance-kit.ts';
import { ScriptedHsm } from '../support/scripted-hsm.ts';
import { startSoftHsm } from '../support/soft-hsm.ts';
import { createSoftHsm2, describeWithSoftHsm2, type SoftHsm2 } from '../support/softhsm2.ts';
import vectors from '../vectors/payshield.json' with { type: 'json' };

const kit = await conformanceKit();

const live = await startSoftHsm();
afterAll(() => live.stop());

hsmConformance(
  'soft HSM with a live LMK, over a unix socket',
  () => connectPayShield({ endpoints: [{ transport: 'unix', path: live.socketPath }] }),
  kit,
);

const authorities = join(await mkdtemp(join(tmpdir(), 'authorities-')), 'authorities.json');
const krdCa = new X509Certificate(kit.krd.caCertificate).toString();
await writeFile(authorities, JSON.stringify({ krd: [krdCa] }));
const withTestLmk = await startSoftHsm(['--test-lmk', '--authorities', authorities]);
afterAll(async () => {
  await withTestLmk.stop();
  await rm(dirname(authorities), { recursive: true });
});

hsmConformance(
  'soft HSM with the public test LMK, over TLS, which judges the KRD itself',
  () =>
    connectPayShield({
      endpoints: [{ transport: 'tls', host: '127.0.0.1', port: withTestLmk.tlsPort }],
      tls: withTestLmk.tls,
      lmkId: 1,
      expectedLmkCheckValue: vectors.test_lmks.aes_key_block.check_value,
    }),
  { ...kit, components: componentsUnderTestLmk() },
);

test('a CA whose key is in the HSM signs a CRL of a thousand certificates', async () => {
  const hsm = await connectPayShield({ endpoints: [{ transport: 'unix', path: live.socketPath }] });
  try {
    const { publicKey, privateKey } = await hsm.generateRsaKeyPair({ bits: 2048, use: 'signature' });
    const sign = (data: Uint8Array) => hsm.sign({ privateKey, data, hash: 'sha256' });
    const signer = { publicKey, sign };
    const thisUpdate = new Date('2026-01-01T00:00:00Z');
    const certificate = await issueRoot({ signer, commonName: 'Root', notBefore: thisUpdate });
    const revoked = Array.from({ length: 1000 }, (_, n) => ({
      serialNumber: (0x10_0000 + n).toString(16),
      revokedAt: thisUpdate,
    }));
    const nextUpdate = new Date('2027-01-01T00:00:00Z');
    const crl = readCrl(
      await issueCrl({ issuer: { certificate, signer }, number: 1, thisUpdate, nextUpdate, revoked }),
    );
    const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
    expect(crl.isSignedBy(key)).toBe(true);
  } finally {
    await hsm.close();
  }
});

describeWithSoftHsm2('docs/hsm-adapters.md', () => {
  let softHsm2: SoftHsm2;
  beforeAll(async () => {
    softHsm2 = await createSoftHsm2();
    softHsm2.useHere();
  });
  afterAll(() => softHsm2.remove());

  test('it shows what each adapter can do', async () => {
    const softHsm = await connectPayShield({ endpoints: [{ transport: 'unix', path: live.socketPath }] });
    const scripted = new ScriptedHsm();
    const port = await scripted.listen({ port: 0 });
    const payShield = await connectPayShield({ endpoints: [{ transport: 'tcp', host: '127.0.0.1', port }] });
    const aws = new AwsHsm({ region: 'us-east-1', krdCertificateAuthority: 'alias/krd-ca' });
    const readPin = async () => Buffer.from(softHsm2.pin);
    const pkcs11 = await openPkcs11({ ...softHsm2, readPin });
    try {
      const table = capabilityTable({ 'soft HSM': softHsm, payShield, AWS: aws, 'PKCS#11': pkcs11 });
      const page = await readFile(new URL('../../docs/hsm-adapters.md', import.meta.url), 'utf8');
      expect(page).toContain(table);
    } finally {
      await Promise.all([softHsm, payShield, aws, pkcs11, scripted].map((each) => each.close()));
    }
  });
});

/** The two published components of payshield.json, a4_key_block, under the AES test LMK instead of the 3DES one. */
function componentsUnderTestLmk() {
  const { component_1, component_2, result } = vectors.commands.a4_key_block;
  const lmk = lmkHandle(Buffer.from(vectors.test_lmks.aes_key_block.key, 'hex'));
  const blocks = [component_1, component_2].map(({ clear }, i) => {
    const block = lmk.wrap(
      {
        versionId: '1',
        keyUsage: '52',
        algorithm: 'T',
        modeOfUse: 'B',
        keyVersion: `c${i + 1}`,
        exportability: 'E',
        lmkId: '01',
        optionalBlocks: [],
      },
      Buffer.from(clear, 'hex'),
    );
    return `S${block}`;
  });
  return { blocks, kcv: result.kcv };
}
