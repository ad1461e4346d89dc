#!/usr/bin/env node
import { type Arguments, help, parseArguments } from './arguments.ts';
import { TerminalSimError } from './errors.ts';
import { Fleet } from './fleet.ts';
import { jsonLog } from './log.ts';
import type { TerminalRecord } from './record.ts';
import { Store } from './store.ts';

/** Switches the terminals on and runs them until SIGTERM or SIGINT, or until the parent process is gone. */
async function run({ state, debug, ...options }: Arguments): Promise<void> {
  const log = jsonLog((line) => process.stdout.write(line), debug ? 'debug' : 'info');
  const store = await Store.open<TerminalRecord>(state);
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
  // What goes wrong in a known way is one line; anything else is a fault of ours and shows where.
  const known = error instanceof TerminalSimError;
  process.stderr.write(`terminal-sim: ${known ? error.message : (error as Error).stack}\n`);
  process.exitCode = known && error.code === 'BAD_ARGUMENT' ? 2 : 1;
}
