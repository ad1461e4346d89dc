#!/usr/bin/env node
import { type Arguments, help, parseArguments } from './arguments.ts';
import { TerminalSimError } from './errors.ts';
import { Fleet } from './fleet.ts';
import { jsonLog } from './log.ts';
import { changed } from './record.ts';
import { Store } from './store.ts';

/** Switches the terminals on and runs them until SIGTERM or SIGINT, or until the parent process is gone. */
async function run({ state, debug, ...options }: Arguments): Promise<void> {
  const log = jsonLog((line) => process.stdout.write(line), debug ? 'debug' : 'info');
  const store = await Store.open(state, changed);
  const fleet = new Fleet({ ...options, store, log, random: Math.random });
  process.once('SIGTERM', () => fleet.stop());
  process.once('SIGINT', () => fleet.stop());
  if (process.env['OPENKDH_PARENT_WATCH'] === '1') process.stdin.resume().once('end', () => fleet.stop());
  try {
    await fleet.run();
  } finally {
    process.stdin.destroy(); // it would keep this process alive
    await store.close();
  }
}

try {
  const parsed = parseArguments(process.argv.slice(2));
  if (parsed === 'help') process.stdout.write(help);
  else await run(parsed);
} catch (error) {
  // What goes wrong outside (the command line, a file, another process) is one line; a fault of ours shows where it is.
  const { message, stack } = error as Error;
  const isOutside =
    error instanceof TerminalSimError || (error as NodeJS.ErrnoException).syscall !== undefined;
  process.stderr.write(`terminal-sim: ${isOutside ? message : stack}\n`);
  process.exitCode = error instanceof TerminalSimError && error.code === 'BAD_ARGUMENT' ? 2 : 1;
}
