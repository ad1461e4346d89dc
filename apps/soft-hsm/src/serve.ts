import { readFileSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { SoftHsmError } from './errors.ts';
import { firmware } from './firmware.ts';
import { SoftHsm } from './hsm.ts';
import type { Log, LogFields } from './log.ts';
import { Machine } from './machine.ts';
import { manage } from './management/commands.ts';
import { serveManagement } from './management/server.ts';
import type { ServeOptions, TlsOptions } from './options.ts';
import { createRandom } from './random/random-source.ts';
import { openStateFolder } from './state/state-folder.ts';
import { type Unlocked, unlock } from './unlock.ts';
import { serveConnection } from './wire/connection.ts';
import { addressOf, type Host, listenOnTls, listenOnUnixSocket, type OnHost } from './wire/listener.ts';

/** A soft HSM that serves its hosts. */
export interface RunningHsm {
  /** Ends all connections, signs the end of the audit log, and wipes the keys. */
  stop(): Promise<void>;
}

/** Starts the HSM. Throws SoftHsmError with one sentence for the operator, and then leaves nothing open. */
export async function serve(options: ServeOptions, log: Log): Promise<RunningHsm> {
  const folder = openStateFolder(options.stateFolder);
  const machine = new Machine({
    random: createRandom(),
    settings: { keyLengthHiding: options.keyLengthHiding },
    now: () => new Date(),
    tlsPort: options.tls !== undefined,
  });
  const softHsm = new SoftHsm(machine, log);
  const sockets = new Set<Socket>();
  const servers: Server[] = [];
  let unlocked: Unlocked | undefined;

  const onManager: OnHost = (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    serveManagement(socket, (message) => manage(machine, message), log);
  };
  const onHost: OnHost = (socket, host) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    serveHost(socket, host, softHsm, log);
  };
  const stop = async () => {
    const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)));
    for (const socket of sockets) socket.destroy();
    await Promise.all(closed);
    await unlocked?.auditLog.close();
    machine.lock();
  };

  try {
    // The management socket comes first: whoever listens on it has the folder for itself.
    servers.push(await listenOnUnixSocket(folder.managementSocket, onManager));
    unlocked = await unlock(machine, options.lmk, folder);
    servers.push(await listenOnUnixSocket(options.socketPath, onHost));
    const tls = options.tls && (await listenOnTls(options.tls, readTlsIdentity(options.tls), onHost));
    if (tls) servers.push(tls);
    log('info', 'ready', 'the HSM serves its hosts', {
      socket: options.socketPath,
      tls: tls && addressOf(tls),
      managementSocket: folder.managementSocket,
      firmware,
      checkpointKey: unlocked.checkpointKey,
      ...lmkFields(machine),
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    async stop() {
      await stop();
      log('info', 'stopped', 'the HSM has stopped');
    },
  };
}

function serveHost(socket: Socket, host: Host, softHsm: SoftHsm, log: Log): void {
  log('info', 'connected', 'a host has connected', { host: host.id });
  serveConnection(
    socket,
    (message) => softHsm.answer(message, host),
    (reason) => log('info', 'disconnected', reason ?? 'the host has left', { host: host.id }),
  );
}

function lmkFields({ lmks }: Machine): LogFields {
  const { id, status, checkValue } = lmks.get(undefined);
  return { lmkId: id, lmkStatus: status, lmkCheckValue: checkValue };
}

function readTlsIdentity({ certFile, keyFile, caFile }: TlsOptions) {
  const read = (path: string) => {
    try {
      return readFileSync(path);
    } catch (cause) {
      throw new SoftHsmError('SOFT_HSM_FILE', `cannot read ${path}: ${(cause as Error).message}`, { cause });
    }
  };
  return { cert: read(certFile), key: read(keyFile), ca: read(caFile) };
}
