import { createPrivateKey } from 'node:crypto';
import { certificatePem } from './certificate.ts';
import { type IssuedProfileName, issueCertificate, issueRoot } from './issue.ts';
import { createTlsKey } from './keys.ts';
import { localSigner } from './signer.ts';

/** A certificate with its private key (PKCS#8), both PEM: what `node:tls` takes. */
export interface TlsIdentity {
  readonly certificate: string;
  readonly privateKey: string;
}

/** A P-256 certificate authority whose private key lives and ends with this object. */
export interface LocalCa {
  /** Root certificate, PEM. */
  readonly certificate: string;
  issueServer(request: { commonName: string; hosts: readonly string[] }): Promise<TlsIdentity>;
  issueClient(request: { commonName: string }): Promise<TlsIdentity>;
}

/**
 * Makes a certificate authority for TLS between our own processes (the HSM link of `npm start`) and for tests. Never
 * for terminals and never for the KDH's signing keys: those are certified by keys in the HSM.
 */
export async function createLocalCa(options: { commonName: string; notBefore: Date }): Promise<LocalCa> {
  const { notBefore } = options;
  const signer = localSigner(createPrivateKey(createTlsKey().privateKey));
  const certificate = certificatePem(await issueRoot({ signer, ...options }));
  const issuer = { certificate, signer };

  const issue = async (
    profile: IssuedProfileName,
    subject: { commonName: string; hosts?: readonly string[] },
  ) => {
    const { privateKey, publicKey } = createTlsKey();
    const der = await issueCertificate(profile, {
      issuer,
      publicKey,
      notBefore,
      ...subject,
    });
    return { certificate: certificatePem(der), privateKey };
  };
  return {
    certificate,
    issueServer: (subject) => issue('gateway-tls', subject),
    issueClient: (subject) => issue('client-tls', subject),
  };
}
