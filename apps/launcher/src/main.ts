import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { explain, LauncherError } from './errors.ts';
import { type Flags, parseFlags, usage } from './flags.ts';
import { type Status, watchLoads } from './loads.ts';
import { openProgress } from './progress.ts';
import { addressList, loadedSlots, report } from './report.ts';
import { openState } from './state-folder.ts';
import { Supervisor } from './supervisor.ts';
import { startSystem } from './system.ts';

/** 0 as asked; 1 it could not be done; 2 not understood; 130 stopped by the user before it was done. */
const exitCodes = { done: 0, failed: 1, misused: 2, interrupted: 130 } as const;

/** The user's Ctrl-C, thrown into whatever goes on. */
class Interrupted extends Error {}

for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {}); // nobody reads any more
process.exitCode = await main(process.argv.slice(2), process.env);

async function main(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  try {
    const flags = parseFlags(args);
    if (!flags.help) return await run(flags, environment);
    process.stdout.write(usage);
    return exitCodes.done;
  } catch (error) {
    if (error instanceof Interrupted) return exitCodes.interrupted;
    const refusal = explain(error);
    if (refusal === undefined) throw error;
    process.stderr.write(`${refusal.message}\n`);
    return refusal.code === 'BAD_FLAGS' ? exitCodes.misused : exitCodes.failed;
  }
}

/** Runs the system until it has done what was asked, or is interrupted; leaves no process behind either way. */
async function run(flags: Flags, environment: NodeJS.ProcessEnv): Promise<number> {
  if (flags.fresh && environment['DATABASE_URL']) {
    const message =
      '--fresh empties the state folder, not the database of DATABASE_URL; name an empty database';
    throw new LauncherError('BAD_FLAGS', message);
  }
  const screen = flags.json ? process.stderr : process.stdout;
  const progress = openProgress(screen, () => performance.now());
  const repository = fileURLToPath(new URL('../../../', import.meta.url));
  const state = await openState(resolve(environment['OPENKDH_STATE'] || `${repository}.openkdh`), flags);
  const supervisor = new Supervisor(state.path, progress.say);
  const interruption = firstSignal(() => {
    supervisor.kill();
    process.exit(exitCodes.interrupted);
  });
  try {
    await Promise.race([load(), interruption]);
    if (flags.once) return exitCodes.done;
    return await interruption.catch(() => exitCodes.done);
  } finally {
    progress.clear();
    await supervisor.stop();
    state.release();
  }

  /** Starts everything, waits until the terminals hold their keys, and shows what they hold. */
  async function load(): Promise<void> {
    const system = await startSystem(state.path, flags, environment, supervisor, progress);
    const before = await system.api.get<Status>('/status');
    await system.startFleet();
    const patience = flags.once
      ? { seconds: flags.timeoutSeconds, standstillSeconds: Number.POSITIVE_INFINITY }
      : { seconds: Number.POSITIVE_INFINITY, standstillSeconds: 30 };
    const outcome = await watchLoads(system.api, flags.terminals, before, patience, progress);
    progress.clear();
    progress.say(report(await loadedSlots(system.api), outcome.figures));
    if (flags.json) process.stdout.write(`${JSON.stringify(outcome.figures)}\n`);
    if (flags.once && outcome.problem) throw new LauncherError('LOADS_UNCONFIRMED', outcome.problem);
    if (flags.once) return;
    if (outcome.problem) progress.say(outcome.problem);
    progress.say(`\n${addressList(system.addresses)}`);
    progress.say(
      '\nBrowse the REST API with the operator token. Ctrl-C stops everything; the next start carries on.',
    );
  }
}

/** Rejects at the first signal to end; calls `again` at every further one. */
function firstSignal(again: () => void): Promise<never> {
  return new Promise((_, reject) => {
    let signals = 0;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        signals += 1;
        if (signals > 1) return again();
        process.stderr.write('\nStopping; once more stops at once.\n');
        reject(new Interrupted());
      });
    }
  });
}
