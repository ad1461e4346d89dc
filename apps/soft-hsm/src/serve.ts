import { readFileSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { Ceremonies } from './ceremony/ceremonies.ts';
import { SoftHsmError } from './errors.ts';
import { firmware } from './firmware.ts';
import { readHostList } from './hosts/host-list.ts';
import { SoftHsm } from './hsm.ts';
import { openPassphraseLmk, openTestLmk } from './lmk/open-lmk.ts';
import type { Log, LogFields } from './log.ts';
import { Machine, tamperCauses } from './machine.ts';
import { manage } from './management/commands.ts';
import { serveManagement } from './management/server.ts';
import { changedFiles } from './manifest/manifest.ts';
import type { ServeOptions, TlsOptions } from './options.ts';
import { openEntropy } from './random/entropy.ts';
import { createRandom, type EntropySource } from './random/random-source.ts';
import { failedSelfTests, selfTests } from './self-test/self-tests.ts';
import { isTraced } from './self-test/watchdog.ts';
import { openStateFolder, type StateFolder } from './state/state-folder.ts';
import { readAuthorities } from './tr34/authorities.ts';
import { Vault } from './vault.ts';
import { serveConnection } from './wire/connection.ts';
import { addressOf, listenOnTls, listenOnUnixSocket, type OnConnection } from './wire/listener.ts';

const selfTestPeriodMs = 86_400_000;
const watchPeriodMs = 10_000;
const mostNamedFiles = 10;

/** A soft HSM that serves its hosts. */
export interface RunningHsm {
  /** Ends all connections, signs the end of the audit log, and wipes the keys. */
  stop(): Promise<void>;
}

/**
 * Starts the HSM. One whose self-tests or noise sources fail serves in state FAILED, so that it can say so. Throws
 * SoftHsmError with one sentence for the operator for everything else, and then leaves nothing open.
 */
export async function serve(options: ServeOptions, log: Log): Promise<RunningHsm> {
  const folder = logPlace(openStateFolder(options.stateFolder), options);
  const machine = createMachine(options, log);
  const softHsm = new SoftHsm(machine);
  const servers: Server[] = [];
  const managerSockets = new Set<Socket>();
  const hostSockets = new Set<Socket>();
  const vault = new Vault(machine, folder, () => destroyAll(hostSockets));
  const ceremonies = new Ceremonies(vault);
  const selfTestTimer = setInterval(() => {
    testItself(machine, options);
    checkProgram(vault, options).catch((error: Error) => machine.fail(error.message));
  }, selfTestPeriodMs).unref();
  const watchdog = setInterval(() => watch(vault), watchPeriodMs).unref();

  const onManager: OnConnection = (accepted) => {
    const socket = serveManagement(accepted, (message) => manage({ vault, ceremonies }, message), log);
    keep(socket, managerSockets);
  };
  const onHost: OnConnection = (socket, id) => {
    keep(socket, hostSockets);
    serveHost(socket, id, machine, softHsm);
  };
  const stop = async () => {
    clearInterval(selfTestTimer);
    clearInterval(watchdog);
    ceremonies.abandon();
    const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)));
    destroyAll(managerSockets);
    destroyAll(hostSockets);
    await Promise.all(closed);
    await vault.close();
  };

  try {
    // The management socket comes first: whoever listens on it has the folder for itself.
    servers.push(await listenOnUnixSocket(folder.managementSocket, onManager));
    testItself(machine, options);
    if (machine.state !== 'FAILED') await openVault(vault, options);
    servers.push(await listenOnUnixSocket(options.socketPath, onHost));
    const tls = options.tls && (await listenOnTls(options.tls, readTlsIdentity(options.tls), onHost));
    if (tls) servers.push(tls);
    log('info', 'ready', 'the HSM serves its hosts', {
      socket: options.socketPath,
      tls: tls && addressOf(tls),
      managementSocket: folder.managementSocket,
      state: machine.state,
      firmware,
      checkpointKey: vault.checkpointKey,
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

function createMachine(options: ServeOptions, log: Log): Machine {
  const hostList = options.hostsFile === undefined ? undefined : readHostList(options.hostsFile);
  const reportNoise = (source: string) =>
    log('error', 'noise', `the noise source fails its health tests: ${source}`);
  const stuck: EntropySource = (lengthBytes) => Buffer.alloc(lengthBytes);
  const entropy = options.faults.includes('noise-stuck')
    ? openEntropy(reportNoise, { 'operating system': stuck, 'raw noise': undefined })
    : openEntropy(reportNoise);
  const machine = new Machine({
    random: createRandom(entropy),
    settings: { keyLengthHiding: options.keyLengthHiding, auditLimit: options.auditLimit },
    now: () => new Date(),
    tlsPort: options.tls !== undefined,
    hostList,
    log,
  });
  if (options.authoritiesFile !== undefined)
    machine.authorities.replace(readAuthorities(options.authoritiesFile));
  return machine;
}

/** Known-answer tests and a random number: at the start, and every day. */
function testItself(machine: Machine, { faults }: ServeOptions): void {
  const noise = { name: 'noise sources', passes: () => machine.random(1).length === 1 };
  const injected = faults.includes('self-test') ? [{ name: 'injected fault', passes: () => false }] : [];
  const failed = failedSelfTests([...selfTests, noise, ...injected]);
  if (failed.length > 0) machine.fail(`self-tests have failed: ${failed.join(', ')}`);
}

/** Files of the program that are not as they were signed for: under dual control tampering, otherwise a failure. */
async function checkProgram(vault: Vault, { manifest, lmk }: ServeOptions): Promise<void> {
  if (manifest === undefined || vault.machine.state === 'TAMPERED') return;
  const changed = changedFiles(manifest);
  if (changed.length === 0) return;
  const reason = `files of the program were changed: ${changed.slice(0, mostNamedFiles).join(', ')}`;
  if (lmk.from === 'dual-control') await vault.tamper(tamperCauses.general, reason);
  else vault.machine.fail(reason);
}

/** A tracer that is attached to a live HSM: under dual control that is tampering, otherwise a failure. */
function watch(vault: Vault): void {
  const { machine } = vault;
  const live = machine.lmks.all.some(({ status }) => status === 'live');
  if (!live || !isTraced()) return;
  const reason = 'a tracer is attached to the process';
  if (machine.dualControl) void vault.tamper(tamperCauses.watchdog, reason);
  else machine.fail(reason);
}

/** The folder's files, or for the injected fault a log that takes no record. */
function logPlace(folder: StateFolder, { faults }: ServeOptions): StateFolder {
  return faults.includes('log-full') ? { ...folder, auditLog: '/dev/full' } : folder;
}

async function openVault(vault: Vault, options: ServeOptions): Promise<void> {
  const { folder, machine } = vault;
  const { lmk } = options;
  if (lmk.from === 'dual-control') vault.rest();
  await checkProgram(vault, options);
  if (lmk.from === 'dual-control' || machine.state === 'FAILED') return;
  const opened =
    lmk.from === 'test'
      ? openTestLmk(lmk.algorithm, folder)
      : await openPassphraseLmk(lmk.file, folder, machine.random);
  await vault.open(opened);
}

function keep(socket: Socket, sockets: Set<Socket>): void {
  sockets.add(socket);
  socket.on('close', () => sockets.delete(socket));
}

function destroyAll(sockets: ReadonlySet<Socket>): void {
  for (const socket of sockets) socket.destroy();
}

function serveHost(socket: Socket, id: string, machine: Machine, softHsm: SoftHsm): void {
  const { hosts, log } = machine;
  const host = hosts.get(id);
  if (host === undefined) {
    log('warn', 'unknown-host', 'a host that is not in the list is refused', { host: id });
    socket.destroy();
    return;
  }
  log('info', 'connected', 'a host has connected', { host: host.name });
  serveConnection(
    socket,
    (message) => softHsm.answer(message, host),
    (reason) => log('info', 'disconnected', reason ?? 'the host has left', { host: host.name }),
  );
}

function lmkFields({ lmks }: Machine): LogFields {
  const [lmk] = lmks.all;
  return lmk === undefined ? {} : { lmkId: lmk.id, lmkStatus: lmk.status, lmkCheckValue: lmk.checkValue };
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
