import { createPublicKey, sign } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  anyExtendedKeyUsage,
  BasicConstraints,
  CertificateList,
  CRLNumber,
  ExtendedKeyUsage,
  Extension,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_kp_clientAuth,
  id_kp_serverAuth,
  KeyUsage,
  KeyUsageFlags,
  SubjectPublicKeyInfo,
  type TBSCertificate,
} from '@peculiar/asn1-x509';
import {
  ecKey,
  resigned,
  rsaKey,
  type SamplePki,
  samplePki,
  terminalCertificate,
  today,
  tomorrow,
  withFlippedBits,
  yesterday,
} from '../test/sample-pki.ts';
import { certificatePem, readCertificate } from './certificate.ts';
import { type CertificateCheckOptions, checkCertificate } from './check.ts';
import { issueCrl, readCrl } from './crl.ts';
import { commonNameOnly } from './names.ts';
import { type Purpose, purposes } from './purposes.ts';
import { localSigner } from './signer.ts';

let pki: SamplePki;
let terminal: Uint8Array;
let crl: Uint8Array;
let options: CertificateCheckOptions;

beforeAll(async () => {
  pki = await samplePki();
  terminal = await terminalCertificate(pki.terminalCa);
  crl = await crlOf('ABCD');
  options = {
    issuers: [pki.terminalCa.certificate, pki.kdhCa.certificate].map(readCertificate),
    anchors: [readCertificate(pki.root.certificate)],
    at: today,
    purpose: 'tls-client',
  };
});

function crlOf(serialNumber: string, thisUpdate = yesterday, nextUpdate = tomorrow): Promise<Uint8Array> {
  const revoked = [{ serialNumber, revokedAt: yesterday, reason: 'keyCompromise' as const }];
  return issueCrl({ issuer: pki.terminalCa, number: 7, thisUpdate, nextUpdate, revoked });
}

/** The CRL changed by `change` and signed anew by its CA. */
async function resignedCrl(change: (list: CertificateList) => void): Promise<Uint8Array> {
  const list = AsnConvert.parse(crl, CertificateList);
  change(list);
  const tbs = AsnConvert.serialize(list.tbsCertList);
  list.signature = new Uint8Array(await pki.terminalCa.signer.sign(new Uint8Array(tbs))).buffer;
  delete list.tbsCertListRaw;
  return new Uint8Array(AsnConvert.serialize(list));
}

/** The terminal's certificate with one extension replaced (or removed) and signed anew by its CA. */
function withExtension(extnID: string, value: unknown, critical = true): Promise<Uint8Array> {
  return resigned(terminal, pki.terminalCa.signer, (tbs) => setExtension(tbs, extnID, value, critical));
}

function setExtension(tbs: TBSCertificate, extnID: string, value: unknown, critical = true): void {
  const index = tbs.extensions!.findIndex((extension) => extension.extnID === extnID);
  if (index >= 0) tbs.extensions!.splice(index, 1);
  if (value)
    tbs.extensions!.push(
      new Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) }),
    );
}

const refused = (reason: string) => ({ ok: false, reason, detail: expect.any(String) });

describe('accepted', () => {
  test('a certificate under the terminal CA', () => {
    expect(checkCertificate(terminal, options)).toEqual({ ok: true });
  });

  test('as PEM, and with everything read before', () => {
    expect(checkCertificate(certificatePem(terminal), options)).toEqual({ ok: true });
    const issuers = options.issuers.map(readCertificate);
    const anchors = options.anchors.map(readCertificate);
    expect(checkCertificate(readCertificate(terminal), { ...options, issuers, anchors })).toEqual({
      ok: true,
    });
  });

  test('that is not on the current CRL', () => {
    expect(checkCertificate(terminal, { ...options, crl })).toEqual({ ok: true });
  });

  test('on the first and the last second of its validity', () => {
    const { notBefore, notAfter } = readCertificate(terminal);
    expect(checkCertificate(terminal, { ...options, at: notBefore })).toEqual({ ok: true });
    expect(checkCertificate(terminal, { ...options, at: notAfter })).toEqual({ ok: true });
  });

  test('under a CA renewed with the same key, of which only the newer certificate is valid', async () => {
    const old = await resigned(pki.terminalCa.certificate, pki.root.signer, (tbs) => {
      tbs.validity.notAfter.utcTime = yesterday;
    });
    const issuers = [old, pki.terminalCa.certificate];
    expect(checkCertificate(terminal, { ...options, issuers })).toEqual({ ok: true });
    expect(checkCertificate(terminal, { ...options, issuers: [old] })).toEqual(refused('EXPIRED'));
  });

  test('with RSA keys all along', async () => {
    const keys = [rsaKey(), rsaKey(), rsaKey()];
    const rsaPki = await samplePki(() => keys.shift()!);
    const der = await terminalCertificate(rsaPki.terminalCa);
    const anchors = [rsaPki.root.certificate];
    expect(checkCertificate(der, { ...options, issuers: [rsaPki.terminalCa.certificate], anchors })).toEqual({
      ok: true,
    });
  });
});

describe('UNTRUSTED', () => {
  test('another PKI of the same names', async () => {
    const other = await samplePki();
    expect(checkCertificate(await terminalCertificate(other.terminalCa), options)).toEqual(
      refused('UNTRUSTED'),
    );
  });

  test('no issuer, no anchor', () => {
    expect(checkCertificate(terminal, { ...options, issuers: [] })).toEqual(refused('UNTRUSTED'));
    expect(checkCertificate(terminal, { ...options, anchors: [] })).toEqual(refused('UNTRUSTED'));
  });

  test('a self-signed certificate, even given as an anchor itself', async () => {
    const self = await resigned(pki.root.certificate, pki.root.signer, (tbs) => {
      setExtension(tbs, id_ce_basicConstraints, new BasicConstraints());
      setExtension(tbs, id_ce_keyUsage, new KeyUsage(KeyUsageFlags.digitalSignature));
      setExtension(tbs, id_ce_extKeyUsage, new ExtendedKeyUsage(['1.3.6.1.5.5.7.3.2']));
    });
    expect(checkCertificate(self, { ...options, anchors: [self] })).toEqual(refused('UNTRUSTED'));
  });

  test('a certificate signed by another terminal', async () => {
    const key = ecKey();
    const rogue = {
      certificate: await terminalCertificate(pki.terminalCa, localSigner(key).publicKey),
      signer: localSigner(key),
    };
    const forged = await resigned(terminal, rogue.signer, (tbs) => {
      tbs.issuer = readCertificate(rogue.certificate).tbs.subject;
      setExtension(tbs, '2.5.29.35', undefined);
    });
    const issuers = [...options.issuers, rogue.certificate];
    expect(checkCertificate(forged, { ...options, issuers })).toEqual(refused('UNTRUSTED'));
  });

  test('a CA without keyCertSign', async () => {
    const ca = await resigned(pki.terminalCa.certificate, pki.root.signer, (tbs) =>
      setExtension(tbs, id_ce_keyUsage, new KeyUsage(KeyUsageFlags.cRLSign)),
    );
    expect(checkCertificate(terminal, { ...options, issuers: [ca] })).toEqual(refused('UNTRUSTED'));
  });

  test('a CA without key usage', async () => {
    const ca = await resigned(pki.terminalCa.certificate, pki.root.signer, (tbs) =>
      setExtension(tbs, id_ce_keyUsage, undefined),
    );
    expect(checkCertificate(terminal, { ...options, issuers: [ca] })).toEqual(refused('UNTRUSTED'));
  });

  test('a CA of the right key and another name', async () => {
    const ca = await resigned(pki.terminalCa.certificate, pki.root.signer, (tbs) => {
      tbs.subject = commonNameOnly('Another CA');
    });
    expect(checkCertificate(terminal, { ...options, issuers: [ca] })).toEqual(refused('UNTRUSTED'));
  });

  test('an issuer without basic constraints', async () => {
    const ca = await resigned(pki.terminalCa.certificate, pki.root.signer, (tbs) =>
      setExtension(tbs, id_ce_basicConstraints, undefined),
    );
    expect(checkCertificate(terminal, { ...options, issuers: [ca] })).toEqual(refused('UNTRUSTED'));
  });

  test('more CAs than the path length of the root allows', async () => {
    const flat = await resigned(pki.root.certificate, pki.root.signer, (tbs) =>
      setExtension(tbs, id_ce_basicConstraints, new BasicConstraints({ cA: true, pathLenConstraint: 0 })),
    );
    expect(checkCertificate(terminal, { ...options, anchors: [flat] })).toEqual(refused('UNTRUSTED'));
  });

  test('a critical extension that is not understood (name constraints), in the certificate and in its CA', async () => {
    const nameConstraints = '2.5.29.30';
    const leaf = await withExtension(nameConstraints, new BasicConstraints());
    expect(checkCertificate(leaf, options)).toEqual(refused('UNTRUSTED'));
    const ca = await resigned(pki.terminalCa.certificate, pki.root.signer, (tbs) =>
      setExtension(tbs, nameConstraints, new BasicConstraints()),
    );
    expect(checkCertificate(terminal, { ...options, issuers: [ca] })).toEqual(refused('UNTRUSTED'));
    expect(
      checkCertificate(await withExtension(nameConstraints, new BasicConstraints(), false), options),
    ).toEqual({ ok: true });
  });

  test('an extension twice', async () => {
    const twice = await resigned(terminal, pki.terminalCa.signer, (tbs) => {
      tbs.extensions!.push(tbs.extensions!.at(-1)!);
    });
    expect(checkCertificate(twice, options)).toEqual(refused('UNTRUSTED'));
  });

  test('a weak key, of the certificate or of its CA', async () => {
    const weakKey = rsaKey(1024);
    const weakSigner = {
      publicKey: createPublicKey(weakKey).export({ type: 'spki', format: 'der' }),
      sign: async (tbs: Uint8Array) => sign('sha256', tbs, weakKey),
    };
    const withWeakKey = (tbs: TBSCertificate) => {
      tbs.subjectPublicKeyInfo = AsnConvert.parse(weakSigner.publicKey, SubjectPublicKeyInfo);
    };
    const leaf = await resigned(terminal, pki.terminalCa.signer, withWeakKey);
    expect(checkCertificate(leaf, options)).toEqual(refused('UNTRUSTED'));

    const ca = await resigned(pki.terminalCa.certificate, pki.root.signer, withWeakKey);
    const leafOfCa = await resigned(terminal, weakSigner, (tbs) => {
      tbs.signature = new AlgorithmIdentifier({ algorithm: '1.2.840.113549.1.1.11', parameters: null });
    });
    expect(checkCertificate(leafOfCa, { ...options, issuers: [ca] })).toEqual({
      ...refused('UNTRUSTED'),
      detail: expect.stringContaining('1024'),
    });
  });

  test('bytes that are no certificate', () => {
    expect(checkCertificate(Uint8Array.of(0x30, 0x00), options)).toEqual(refused('UNTRUSTED'));
    expect(checkCertificate('SIM-000001', options)).toEqual(refused('UNTRUSTED'));
  });

  test('a bit flipped in any byte of the certificate', () => {
    for (const flipped of withFlippedBits(terminal)) {
      expect(checkCertificate(flipped, options)).toEqual(refused('UNTRUSTED'));
    }
  });
});

describe('NOT_YET_VALID and EXPIRED', () => {
  const secondBefore = (date: Date) => new Date(date.getTime() - 1000);
  const secondAfter = (date: Date) => new Date(date.getTime() + 1000);

  test('the second before and the second after', () => {
    const { notBefore, notAfter } = readCertificate(terminal);
    expect(checkCertificate(terminal, { ...options, at: secondBefore(notBefore) })).toEqual(
      refused('NOT_YET_VALID'),
    );
    expect(checkCertificate(terminal, { ...options, at: secondAfter(notAfter) })).toEqual(refused('EXPIRED'));
  });

  test('a CA or an anchor that has expired', async () => {
    const expired = (tbs: TBSCertificate) => {
      tbs.validity.notAfter.utcTime = secondBefore(today);
    };
    const ca = await resigned(pki.terminalCa.certificate, pki.root.signer, expired);
    expect(checkCertificate(terminal, { ...options, issuers: [ca] })).toEqual(refused('EXPIRED'));
    const root = await resigned(pki.root.certificate, pki.root.signer, expired);
    expect(checkCertificate(terminal, { ...options, anchors: [root] })).toEqual(refused('EXPIRED'));
  });
});

describe('WRONG_PURPOSE', () => {
  const otherPurposes = (Object.keys(purposes) as Purpose[]).filter((purpose) => purpose !== 'tls-client');

  test.each(otherPurposes)('a TLS client certificate used for %s', (purpose) => {
    expect(checkCertificate(terminal, { ...options, purpose })).toEqual(refused('WRONG_PURPOSE'));
  });

  test.each([
    ['two extended key usages', new ExtendedKeyUsage([id_kp_clientAuth, id_kp_serverAuth])],
    ['any extended key usage', new ExtendedKeyUsage([anyExtendedKeyUsage])],
    ['no extended key usage', undefined],
  ])('%s', async (_name, value) => {
    expect(checkCertificate(await withExtension(id_ce_extKeyUsage, value), options)).toEqual(
      refused('WRONG_PURPOSE'),
    );
  });

  test.each([
    ['another key usage', new KeyUsage(KeyUsageFlags.keyEncipherment)],
    ['no key usage', undefined],
  ])('%s', async (_name, value) => {
    expect(checkCertificate(await withExtension(id_ce_keyUsage, value), options)).toEqual(
      refused('WRONG_PURPOSE'),
    );
  });

  test('a CA', async () => {
    const ca = await withExtension(id_ce_basicConstraints, new BasicConstraints({ cA: true }));
    expect(checkCertificate(ca, options)).toEqual(refused('WRONG_PURPOSE'));
  });

  test('a key that cannot serve the purpose', async () => {
    const encryption = await withExtension(
      id_ce_extKeyUsage,
      new ExtendedKeyUsage([purposes['kdh-signing'].oid]),
    );
    expect(checkCertificate(encryption, { ...options, purpose: 'kdh-signing' })).toEqual(
      refused('WRONG_PURPOSE'),
    );
  });
});

describe('REVOKED and CRL_STALE', () => {
  const check = (list: Uint8Array, at = today) => checkCertificate(terminal, { ...options, crl: list, at });

  test('a serial number on the CRL, and the CRL read before', async () => {
    const list = await crlOf(readCertificate(terminal).serialNumber);
    expect(check(list)).toEqual(refused('REVOKED'));
    expect(checkCertificate(terminal, { ...options, crl: readCrl(list) })).toEqual(refused('REVOKED'));
  });

  test('a CRL before its time and after it', async () => {
    const list = await crlOf('ABCD', today, tomorrow);
    expect(check(list, new Date(today.getTime() - 1000))).toEqual(refused('CRL_STALE'));
    expect(check(list, today)).toEqual({ ok: true });
    expect(check(list, tomorrow)).toEqual({ ok: true });
    expect(check(list, new Date(tomorrow.getTime() + 1000))).toEqual(refused('CRL_STALE'));
  });

  test('a CRL of another CA', async () => {
    const request = { number: 7, thisUpdate: yesterday, nextUpdate: tomorrow, revoked: [] };
    expect(check(await issueCrl({ issuer: pki.kdhCa, ...request }))).toEqual(refused('CRL_STALE'));
    const impostor = {
      certificate: (await samplePki()).terminalCa.certificate,
      signer: pki.terminalCa.signer,
    };
    await expect(issueCrl({ issuer: impostor, ...request })).rejects.toMatchObject({
      code: 'PKI_ISSUER_REFUSED',
    });
  });

  test('a CRL of the same name under another key', async () => {
    const other = (await samplePki()).terminalCa;
    const list = await issueCrl({
      issuer: other,
      number: 7,
      thisUpdate: yesterday,
      nextUpdate: tomorrow,
      revoked: [],
    });
    expect(check(list)).toEqual(refused('CRL_STALE'));
  });

  test('a CA that may not sign CRLs', async () => {
    const ca = await resigned(pki.terminalCa.certificate, pki.root.signer, (tbs) =>
      setExtension(tbs, id_ce_keyUsage, new KeyUsage(KeyUsageFlags.keyCertSign)),
    );
    expect(checkCertificate(terminal, { ...options, issuers: [ca], crl })).toEqual(refused('CRL_STALE'));
  });

  test('a CRL of another name under the same key', async () => {
    const list = await resignedCrl(({ tbsCertList }) => {
      tbsCertList.issuer = commonNameOnly('Another CA');
    });
    expect(check(list)).toEqual(refused('CRL_STALE'));
  });

  test('a CRL that says something critical, such as that it is a delta', async () => {
    const list = await resignedCrl(({ tbsCertList }) => {
      const extnValue = new OctetString(AsnConvert.serialize(new CRLNumber(6)));
      tbsCertList.crlExtensions!.push(new Extension({ extnID: '2.5.29.27', critical: true, extnValue }));
    });
    expect(check(list)).toEqual(refused('CRL_STALE'));
  });

  test('a bit flipped in any byte of the CRL', () => {
    for (const flipped of withFlippedBits(crl)) {
      try {
        expect(check(flipped)).toEqual(refused('CRL_STALE'));
      } catch (error) {
        expect(error).toMatchObject({ code: 'PKI_MALFORMED' });
      }
    }
  });
});
