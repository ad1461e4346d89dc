// The bound: what this machine can do when the steps of a load have nothing around them. Its server and its terminals
// are processes of their own, as kdh-server and terminal-sim are; PostgreSQL and the soft HSM are the same processes.
import { fork } from 'node:child_process';
import { once } from 'node:events';

function start(file, settings) {
  const child = fork(new URL(file, import.meta.url));
  const failed = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`${file} ended: ${signal ?? `exit code ${code}`}`);
  });
  failed.catch(() => {}); // told to whoever asks next
  const ask = async (question) => {
    child.send(question);
    const [answer] = await Promise.race([once(child, 'message'), failed]);
    return answer;
  };
  return { child, ask, ready: ask(settings) };
}

/** `system`: the running system, whose terminals have their first keys; their certificates and KBPKs are used. */
export async function startBound(system, { folder, serials, redisUrl, clientCa }) {
  const server = start('bound-server.mjs', {
    systemUrl: system.databaseUrl,
    databaseUrl: system.boundDatabaseUrl,
    redisUrl,
    hsmSocket: system.hsmSocket,
    clientCa,
  });
  const { port, serverCa } = await server.ready;
  const terminals = start('bound-terminals.mjs', { folder, serials, port, serverCa });
  await terminals.ready;
  return {
    pids: { 'bound server': server.child.pid, 'bound terminals': terminals.child.pid },
    /** A load for every terminal: `seconds`, and with given `ksns` the KCVs that the terminals confirmed. */
    round: (ksns) => server.ask({ ksns }),
    stop() {
      for (const { child } of [terminals, server]) child.kill();
    },
  };
}
