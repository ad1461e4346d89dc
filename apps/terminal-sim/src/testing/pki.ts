import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import {
  certificatePem,
  createTlsKey,
  type Issuer,
  issueCertificate,
  issueCrl,
  issueRoot,
  localSigner,
  readCertificate,
  readCertificationRequest,
} from '@openkdh/pki';

/** A PKI as a KDH has it: root, CA of the KDH, CA of the terminals, CRL; keys in this process, for tests only. */
export interface TestPki {
  readonly root: string;
  readonly kdhCa: Uint8Array;
  readonly terminalCa: Uint8Array;
  /** TR-34 signing certificate of the KDH, DER, and its key. */
  readonly signing: { readonly certificate: Uint8Array; readonly key: KeyObject };
  /** TLS certificate of the gateway for 127.0.0.1, with its chain, and its key. PEM. */
  readonly gateway: { readonly cert: string; readonly key: string };
  /** A CRL of the CA of the KDH with these serial numbers, valid for an hour from `thisUpdate`. */
  crl(request?: { number?: number; thisUpdate?: Date; revoked?: readonly string[] }): Promise<Uint8Array>;
  /** Certificates for a terminal's requests, PEM. */
  certify(csrs: Record<'tls' | 'encryption' | 'signing', string>, notAfter?: Date): Promise<TestCertificates>;
}

export interface TestCertificates {
  readonly tls: string;
  readonly encryption: string;
  readonly signing: string;
}

const hourMs = 3_600_000;

/** Makes a PKI. Costs one RSA key pair. */
export async function createTestPki(): Promise<TestPki> {
  const notBefore = new Date(Date.now() - hourMs);
  const issuer = (certificate: Uint8Array, key: string): Issuer => ({
    certificate,
    signer: localSigner(createPrivateKey(key)),
  });
  const rootKey = createTlsKey().privateKey;
  const rootDer = await issueRoot({
    signer: localSigner(createPrivateKey(rootKey)),
    commonName: 'Test root',
    notBefore,
  });
  const root = issuer(rootDer, rootKey);
  const ca = async (profile: 'kdh-ca' | 'terminal-ca') => {
    const { privateKey, publicKey } = createTlsKey();
    return issuer(
      await issueCertificate(profile, { issuer: root, publicKey, commonName: `Test ${profile}`, notBefore }),
      privateKey,
    );
  };
  const kdhCa = await ca('kdh-ca');
  const terminalCa = await ca('terminal-ca');

  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const signingCertificate = await issueCertificate('kdh-signing', {
    issuer: kdhCa,
    publicKey: rsa.publicKey.export({ type: 'spki', format: 'der' }),
    commonName: 'Test KDH',
    notBefore,
  });
  const gatewayKey = createTlsKey();
  const gatewayCertificate = await issueCertificate('gateway-tls', {
    issuer: kdhCa,
    publicKey: gatewayKey.publicKey,
    commonName: 'Test gateway',
    hosts: ['127.0.0.1'],
    notBefore,
  });
  return {
    root: certificatePem(rootDer),
    kdhCa: kdhCa.certificate as Uint8Array,
    terminalCa: terminalCa.certificate as Uint8Array,
    signing: { certificate: signingCertificate, key: rsa.privateKey },
    gateway: {
      cert: certificatePem(gatewayCertificate) + certificatePem(kdhCa.certificate as Uint8Array),
      key: gatewayKey.privateKey,
    },
    crl: ({ number = 1, thisUpdate = notBefore, revoked = [] } = {}) =>
      issueCrl({
        issuer: kdhCa,
        number,
        thisUpdate,
        nextUpdate: new Date(thisUpdate.getTime() + 2 * hourMs),
        revoked: revoked.map((serialNumber) => ({ serialNumber, revokedAt: thisUpdate })),
      }),
    certify: async (csrs, notAfter) => {
      const issue = async (
        profile: 'terminal-tls' | 'terminal-encryption' | 'terminal-signing',
        csr: string,
      ) => {
        const purposes = {
          'terminal-tls': 'tls-client',
          'terminal-encryption': 'krd-encryption',
          'terminal-signing': 'result-signing',
        } as const;
        const { serial, publicKey } = readCertificationRequest(csr, purposes[profile]);
        const request = {
          issuer: terminalCa,
          publicKey,
          commonName: serial,
          notBefore,
          ...(notAfter && { notAfter }),
        };
        return certificatePem(await issueCertificate(profile, request));
      };
      return {
        tls: await issue('terminal-tls', csrs.tls),
        encryption: await issue('terminal-encryption', csrs.encryption),
        signing: await issue('terminal-signing', csrs.signing),
      };
    },
  };
}

/** Serial number of a certificate in DER, as a CRL lists it. */
export function serialNumberOf(certificate: Uint8Array): string {
  return readCertificate(certificate).serialNumber;
}
