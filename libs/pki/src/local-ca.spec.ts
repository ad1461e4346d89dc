import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { checkCertificate } from './check.ts';
import { createLocalCa, type LocalCa, type TlsIdentity } from './local-ca.ts';

// A real handshake judges by the real clock.
const notBefore = new Date(Date.now() - 60_000);
let ca: LocalCa;
let serverIdentity: TlsIdentity;
let clientIdentity: TlsIdentity;
let server: Server;

beforeAll(async () => {
  ca = await createLocalCa({ commonName: 'HSM link', notBefore });
  serverIdentity = await ca.issueServer({ commonName: 'soft-hsm', hosts: ['127.0.0.1', 'localhost'] });
  clientIdentity = await ca.issueClient({ commonName: 'kdh-server' });
  const { certificate: cert, privateKey: key } = serverIdentity;
  server = createServer(
    { cert, key, ca: ca.certificate, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' },
    (socket) => socket.on('error', () => socket.destroy()).pipe(socket),
  );
  server.on('tlsClientError', () => undefined); // the refusals below
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => {
  server.close();
});

function dial(identity: TlsIdentity | undefined, trusted: string): TLSSocket {
  const { port } = server.address() as AddressInfo;
  return connect({
    host: '127.0.0.1',
    port,
    ca: trusted,
    minVersion: 'TLSv1.3',
    ...(identity && { cert: identity.certificate, key: identity.privateKey }),
  });
}

/**
 * What comes back for one byte sent, or the error code, or `closed`. A TLS 1.3 client learns of its refusal only after
 * its own handshake, and node tells it no more than the end of the connection.
 */
async function echo(socket: TLSSocket): Promise<string> {
  return new Promise((resolve) => {
    socket.on('secureConnect', () => socket.write('x'));
    socket.on('data', (data) => {
      resolve(data.toString());
      socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)));
    socket.on('close', () => resolve('closed'));
  });
}

const refusedByServer = /^closed$|ALERT|ECONNRESET|EPIPE/;

describe('a mutual TLS 1.3 handshake', () => {
  test('succeeds between a server and a client of the CA', async () => {
    const socket = dial(clientIdentity, ca.certificate);
    const answer = echo(socket);
    await once(socket, 'secureConnect');
    expect(socket.authorized).toBe(true);
    expect(socket.getProtocol()).toBe('TLSv1.3');
    expect(await answer).toBe('x');
  });

  test('fails without a client certificate, and with one of another CA', async () => {
    expect(await echo(dial(undefined, ca.certificate))).toMatch(refusedByServer);
    const other = await createLocalCa({ commonName: 'HSM link', notBefore });
    const stranger = await other.issueClient({ commonName: 'kdh-server' });
    expect(await echo(dial(stranger, ca.certificate))).toMatch(refusedByServer);
  });

  test('fails for a client that trusts another CA, and for a server certificate shown as a client', async () => {
    const other = await createLocalCa({ commonName: 'Other', notBefore });
    expect(await echo(dial(clientIdentity, other.certificate))).toMatch(/UNABLE_TO_VERIFY|SELF_SIGNED/);
    expect(await echo(dial(serverIdentity, ca.certificate))).toMatch(refusedByServer);
  });
});

test('its certificates pass checkCertificate', () => {
  const options = { issuers: [], anchors: [ca.certificate], at: new Date(), purpose: 'tls-client' } as const;
  expect(checkCertificate(clientIdentity.certificate, options)).toEqual({ ok: true });
  expect(checkCertificate(serverIdentity.certificate, options)).toMatchObject({ reason: 'WRONG_PURPOSE' });
  expect(checkCertificate(serverIdentity.certificate, { ...options, purpose: 'tls-server' })).toEqual({
    ok: true,
  });
});
