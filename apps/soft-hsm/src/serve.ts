import { readFileSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { wipe } from '@openkdh/block-ciphers';
import { AuditLog } from './audit/audit-log.ts';
import { checkpointKeyFromSeed } from './audit/checkpoint.ts';
import { SoftHsmError } from './errors.ts';
import { firmware } from './firmware.ts';
import { SoftHsm } from './hsm.ts';
import { KeyCache } from './lmk/key-cache.ts';
import { deriveFromLmk } from './lmk/key-derivation.ts';
import { LmkTable } from './lmk/lmk.ts';
import { type OpenedLmk, openLmk } from './lmk/open-lmk.ts';
import type { Log } from './log.ts';
import type { ServeOptions, TlsOptions } from './options.ts';
import { createRandom } from './random/random-source.ts';
import { openStateFolder } from './state/state-folder.ts';
import { serveConnection } from './wire/connection.ts';
import { addressOf, type Host, listenOnTls, listenOnUnixSocket } from './wire/listener.ts';

const now = () => new Date();

/** A soft HSM that serves its hosts. */
export interface RunningHsm {
  /** Ends all connections, signs the end of the audit log, and wipes the keys. */
  stop(): Promise<void>;
}

/** Starts the HSM: LMK, audit log, then the sockets. Throws SoftHsmError with one sentence for the operator. */
export async function serve(options: ServeOptions, log: Log): Promise<RunningHsm> {
  const folder = openStateFolder(options.stateFolder);
  const random = createRandom();
  const opened = await openLmk(options.lmk, folder, random);
  const { lmk } = opened;
  const { auditLog, checkpointKey } = await startAuditLog(opened, folder.auditLog);
  const lmks = new LmkTable([lmk]);
  const keys = new KeyCache();
  const parts = {
    lmks,
    keys,
    random,
    now,
    settings: { keyLengthHiding: options.keyLengthHiding },
    operations: () => auditLog.head.operations,
    tlsPort: options.tls !== undefined,
  };
  const hsm = new SoftHsm(parts, auditLog, log);

  const sockets = new Set<Socket>();
  const onHost = (socket: Socket, host: Host) => {
    sockets.add(socket);
    log('info', 'connected', 'a host has connected', { host: host.id });
    serveConnection(
      socket,
      (message) => hsm.answer(message, host),
      (reason) => {
        sockets.delete(socket);
        log('info', 'disconnected', reason ?? 'the host has left', { host: host.id });
      },
    );
  };
  const servers = await listen(options, onHost);
  log('info', 'ready', 'the HSM serves its hosts', {
    socket: options.socketPath,
    tls: servers[1] && addressOf(servers[1]),
    lmkId: lmk.id,
    lmkStatus: lmk.status,
    lmkCheckValue: lmk.checkValue,
    firmware,
    checkpointKey,
  });

  return {
    async stop() {
      const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)));
      for (const socket of sockets) socket.destroy();
      await Promise.all(closed);
      await auditLog.close();
      keys.clear();
      lmks.dispose();
      log('info', 'stopped', 'the HSM has stopped');
    },
  };
}

/**
 * Opens the audit log and begins this start in it. The sealed LMK and the log count the starts together, the LMK
 * first: it may be one ahead after a crash between the two, anything else means that one of them was rolled back.
 */
async function startAuditLog(
  opened: OpenedLmk,
  path: string,
): Promise<{ auditLog: AuditLog; checkpointKey: string }> {
  const { lmk, key, sealedBootCounter } = opened;
  const seed = deriveFromLmk(key, 'audit log checkpoint key');
  const checkpointKey = checkpointKeyFromSeed(seed);
  wipe(seed);
  try {
    const auditLog = await AuditLog.open(path, checkpointKey, now);
    const logged = auditLog.head.bootCounter;
    if (sealedBootCounter !== undefined && sealedBootCounter !== logged && sealedBootCounter !== logged + 1) {
      throw new SoftHsmError(
        'SOFT_HSM_AUDIT',
        `the audit log ends in start ${logged}, the sealed LMK is of start ${sealedBootCounter}: one was rolled back`,
      );
    }
    if (sealedBootCounter !== logged + 1) opened.seal(logged + 1);
    await auditLog.start({
      event: 'boot',
      checkpointKey: checkpointKey.publicKey,
      firmware,
      lmkCheckValue: lmk.checkValue,
      lmkId: lmk.id,
      lmkStatus: lmk.status,
    });
    return { auditLog, checkpointKey: checkpointKey.publicKey };
  } finally {
    opened.close();
    if (lmk.status === 'live') wipe(key);
  }
}

async function listen(
  options: ServeOptions,
  onHost: (socket: Socket, host: Host) => void,
): Promise<Server[]> {
  const unix = await listenOnUnixSocket(options.socketPath, onHost);
  if (options.tls === undefined) return [unix];
  try {
    const { host, port } = options.tls;
    return [unix, await listenOnTls(host, port, readTlsIdentity(options.tls), onHost)];
  } catch (error) {
    unix.close();
    throw error;
  }
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
