import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { SoftHsmError } from '../errors.ts';
import { requirePrivateFolder } from '../state/state-folder.ts';

/** Takes a new connection. `id`: SHA-256 fingerprint of the client certificate, or `local` on a unix socket. */
export type OnConnection = (socket: Socket, id: string) => void;

/** `sun_path` of Linux holds 108 bytes with the closing zero. */
const maxPathBytes = 107;

export interface TlsIdentity {
  key: Buffer;
  cert: Buffer;
  /** The CA of the client certificates. */
  ca: Buffer;
}

/**
 * Listens on a unix socket for hosts on this machine. The folder must be private: who can enter it is a host.
 * A socket that a killed process left behind is replaced; one that answers is not.
 */
export async function listenOnUnixSocket(path: string, onConnection: OnConnection): Promise<Server> {
  if (Buffer.byteLength(path) > maxPathBytes) {
    throw new SoftHsmError('SOFT_HSM_ADDRESS', `socket path is longer than ${maxPathBytes} bytes: ${path}`);
  }
  requirePrivateFolder(dirname(path));
  await removeStaleSocket(path);
  const server = createServer({ allowHalfOpen: true }, (socket) => onConnection(socket, 'local'));
  await listening(server, () => server.listen(path));
  chmodSync(path, 0o600);
  return server;
}

/** Listens on TLS 1.3; only hosts with a certificate of `identity.ca` get through the handshake. */
export async function listenOnTls(
  { host, port }: { host: string; port: number },
  identity: TlsIdentity,
  onConnection: OnConnection,
): Promise<Server> {
  const server = createTlsServer(
    { ...identity, minVersion: 'TLSv1.3', requestCert: true, rejectUnauthorized: true, allowHalfOpen: true },
    (socket: TLSSocket) => {
      const { fingerprint256 } = socket.getPeerCertificate();
      onConnection(socket, fingerprint256.replaceAll(':', ''));
    },
  );
  await listening(server, () => server.listen(port, host));
  return server;
}

/** `host:port` of a listening TCP or TLS server. */
export function addressOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo;
  return `${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

async function removeStaleSocket(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket()) throw new SoftHsmError('SOFT_HSM_ADDRESS', `${path} exists and is not a socket`);
  const answers = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
  if (answers) throw new SoftHsmError('SOFT_HSM_ADDRESS', `another process listens on ${path}`);
  unlinkSync(path);
}

function listening(server: Server, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(new SoftHsmError('SOFT_HSM_ADDRESS', `cannot listen: ${error.message}`, { cause: error }));
    });
    server.once('listening', resolve);
    listen();
  });
}
