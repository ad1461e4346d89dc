import { createPrivateKey, generateKeyPair, type KeyObject, sign, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { promisify } from 'node:util';
import { createCertificationRequest, createLocalCa } from '@openkdh/pki';
import type { Behaviour } from './misbehaviour.ts';
import type { Enrolment, Identity, TerminalRecord } from './record.ts';

const generate = promisify(generateKeyPair);
const pkcs8 = { type: 'pkcs8', format: 'der' } as const;
const spki = { type: 'spki', format: 'der' } as const;
const p256 = { namedCurve: 'P-256', privateKeyEncoding: pkcs8, publicKeyEncoding: spki };

/** Makes the three key pairs of a terminal. RSA takes about 150 ms of a thread of the pool. */
export async function makeIdentity(): Promise<Identity> {
  const rsa = { modulusLength: 2048, privateKeyEncoding: pkcs8, publicKeyEncoding: spki };
  const [tls, encryption, signing] = await Promise.all([
    generate('ec', p256),
    generate('rsa', rsa),
    generate('ec', p256),
  ]);
  return { tls: tls.privateKey, encryption: encryption.privateKey, signing: signing.privateKey };
}

/** PKCS#10 requests, PEM, for the certificates of a terminal. */
export async function certificationRequests(serial: string, identity: Identity) {
  const request = (key: Uint8Array) => createCertificationRequest({ serial, key: privateKey(key) });
  const [tls, encryption, signing] = await Promise.all(
    [identity.tls, identity.encryption, identity.signing].map(request),
  );
  return { tls: tls!, encryption: encryption!, signing: signing! };
}

/** The DER of a certificate in PEM. */
export function certificateDer(pem: string): Uint8Array {
  return new X509Certificate(pem).raw;
}

/** What OpenSSL has read of a terminal's own: to read it again for each connection would cost more than the handshake. */
const signingKeys = new WeakMap<Identity, KeyObject>();
const ownContexts = new WeakMap<Enrolment, SecureContext>();

/** Signs with the result signing key: ECDSA P-256 with SHA-256, DER. */
export function signResult({ identity }: TerminalRecord, bytes: Uint8Array): Uint8Array {
  const key = signingKeys.get(identity) ?? privateKey(identity.signing);
  signingKeys.set(identity, key);
  return sign('sha256', bytes, key);
}

/** The private key that TR-34 key tokens are encrypted to. */
export function encryptionKey({ encryption }: Identity): KeyObject {
  return privateKey(encryption);
}

/** What TLS shows of an enrolled terminal, and whom it trusts. */
export async function clientTls(
  serial: string,
  { identity, enrolment }: TerminalRecord,
  certificate: Behaviour['certificate'],
): Promise<SecureContext> {
  const { certificates, chain, gatewayTrustAnchor: ca } = enrolment!;
  const minVersion = 'TLSv1.3';
  switch (certificate) {
    case 'own': {
      const own =
        ownContexts.get(enrolment!) ??
        createSecureContext({ ca, cert: certificates.tls + chain, key: pem(identity.tls), minVersion });
      ownContexts.set(enrolment!, own);
      return own;
    }
    case 'wrong-purpose':
      return createSecureContext({
        ca,
        cert: certificates.signing + chain,
        key: pem(identity.signing),
        minVersion,
      });
    case 'foreign': {
      const stranger = await createLocalCa({ commonName: 'nobody knows this CA', notBefore: new Date() });
      const { certificate: cert, privateKey: key } = await stranger.issueClient({ commonName: serial });
      return createSecureContext({ ca, cert, key, minVersion });
    }
    case 'none':
      return createSecureContext({ ca, minVersion });
  }
}

function privateKey(der: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.from(der), ...pkcs8 });
}

/** node:tls takes private keys as PEM only (RFC 7468, 10), which is a string: TLS keys, never payment keys. */
function pem(pkcs8: Uint8Array): string {
  return `-----BEGIN PRIVATE KEY-----\n${Buffer.from(pkcs8).toString('base64')}\n-----END PRIVATE KEY-----\n`;
}
