import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  verify,
} from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ConformanceKit } from '@openkdh/hsm-client/conformance';
import { createTlsKey, issueCertificate, issueCrl, issueRoot, localSigner } from '@openkdh/pki';
import { unwrap, wrap } from '@openkdh/tr31';
import { localDecryptor, openKeyToken } from '@openkdh/tr34';
import { CertificationRequest } from '@peculiar/asn1-csr';
import { AsnConvert } from '@peculiar/asn1-schema';

/** The terminal's side of the conformance suite: a root, a CA for each role, one KRD with its key pair. */
export async function conformanceKit(): Promise<ConformanceKit> {
  const now = new Date();
  const nextUpdate = new Date(now.getTime() + 86_400_000);
  const rootSigner = certificateKey();
  const root = {
    signer: rootSigner,
    certificate: await issueRoot({ signer: rootSigner, commonName: 'conformance root', notBefore: now }),
  };
  const authority = async (profile: 'kdh-ca' | 'terminal-ca') => {
    const signer = certificateKey();
    const request = { issuer: root, publicKey: signer.publicKey, commonName: profile, notBefore: now };
    return { signer, certificate: await issueCertificate(profile, request) };
  };
  const kdhCa = await authority('kdh-ca');
  const terminalCa = await authority('terminal-ca');
  const crl = await issueCrl({ issuer: kdhCa, number: 1, thisUpdate: now, nextUpdate, revoked: [] });
  const rootCrl = await issueCrl({ issuer: root, number: 1, thisUpdate: now, nextUpdate, revoked: [] });

  const krdKey = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const certificate = await issueCertificate('terminal-encryption', {
    issuer: terminalCa,
    publicKey: spki(krdKey.publicKey),
    commonName: 'CONFORMANCE-1',
    notBefore: now,
  });
  const krdCrl = await issueCrl({ issuer: terminalCa, number: 1, thisUpdate: now, nextUpdate, revoked: [] });
  const outstanding = new Set<string>();

  return {
    afterAll,
    beforeAll,
    describe,
    expect,
    test,
    krd: {
      certificate,
      caCertificate: terminalCa.certificate,
      crls: [krdCrl],
      nonce() {
        const nonce = randomBytes(16);
        outstanding.add(nonce.toString('hex'));
        return Uint8Array.from(nonce);
      },
      async open(token, kdhCertificate) {
        const trust = {
          anchors: [root.certificate],
          intermediates: [kdhCa.certificate],
          revocation: { crls: [rootCrl], whenAbsent: 'refuse' },
          at: new Date(),
        } as const;
        const nonces = {
          take: (nonce: Uint8Array) => outstanding.delete(Buffer.from(nonce).toString('hex')),
        };
        const decryptor = localDecryptor(krdKey.privateKey);
        const { header, key } = await openKeyToken(token, { certificate, kdhCertificate, trust }, decryptor, {
          nonces,
        });
        return { header, key };
      },
    },
    async certify(publicKey) {
      const request = { issuer: kdhCa, publicKey, commonName: 'conformance KDH', notBefore: now };
      return { certificate: await issueCertificate('kdh-signing', request), crl };
    },
    openCertificateRequest,
    wrapTr31: (kbpk, header, key) => wrap(kbpk, header, key),
    unwrapTr31: (kbpk, keyBlock) => unwrap(kbpk, keyBlock),
  };
}

/** X.520 attribute types that a subject of the suite has. */
const subjectParts: Record<string, string> = { '2.5.4.3': 'CN', '2.5.4.6': 'C', '2.5.4.10': 'O' };

function openCertificateRequest(der: Uint8Array): { publicKey: Uint8Array; subject: string[] } {
  const request = AsnConvert.parse(der, CertificationRequest);
  const { subject, subjectPKInfo } = request.certificationRequestInfo;
  const publicKey = new Uint8Array(AsnConvert.serialize(subjectPKInfo));
  const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
  const signed = new Uint8Array(request.certificationRequestInfoRaw!);
  if (!verify('sha256', signed, key, new Uint8Array(request.signature))) {
    throw new Error('the request is not signed with the key that it names');
  }
  const parts = subject.flatMap((part) =>
    part.map(({ type, value }) => `${subjectParts[type]}=${value.toString()}`),
  );
  return { publicKey, subject: parts.sort() };
}

function certificateKey() {
  return localSigner(createPrivateKey(createTlsKey().privateKey));
}

function spki(key: KeyObject): Uint8Array {
  return Uint8Array.from(key.export({ format: 'der', type: 'spki' }));
}
