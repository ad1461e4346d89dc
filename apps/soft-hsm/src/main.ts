import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import inspector from 'node:inspector';
import { SoftHsmError } from './errors.ts';
import { jsonLog } from './log.ts';
import { makeManifest } from './manifest/manifest.ts';
import { parseServeOptions, parseSignManifestOptions, usage } from './options.ts';
import { becomeUser, leaveNoCoreDump } from './privileges.ts';
import { serve } from './serve.ts';

const exitCodes = { usage: 2, failed: 1 } as const;

async function main([command, ...args]: string[]): Promise<void> {
  switch (command) {
    case 'serve':
      return runServer(args);
    case 'sign-manifest':
      return signManifest(args);
    case 'help':
    case '--help':
      console.log(usage);
      return;
    default:
      throw new SoftHsmError(
        'SOFT_HSM_USAGE',
        `expected serve, sign-manifest or help, got ${command ?? 'nothing'}`,
      );
  }
}

async function runServer(args: string[]): Promise<void> {
  refuseDebugger();
  const memoryStays = leaveNoCoreDump();
  process.umask(0o077);
  process.stdout.on('error', () => {}); // whoever read the log is gone; the HSM's own log is the audit log
  const options = parseServeOptions(args);
  if (options.user) becomeUser(options.user, options.stateFolder);
  const log = jsonLog(options.logLevel, (line) => process.stdout.write(line));
  if (!memoryStays) log('warn', 'core-dump', 'a core dump of this process would have its keys: allow none');
  const hsm = await serve(options, log);

  let stopping = false;
  const stop = async () => {
    if (stopping) return;
    stopping = true;
    await hsm.stop();
    process.exit(0);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  if (process.env['OPENKDH_PARENT_WATCH'] === '1') {
    // The launcher holds the other end: it ends with the launcher, however that ends.
    process.stdin.on('end', stop).on('error', stop).resume();
  }
}

/** Whoever can attach a debugger, or load code into this process, reads its keys. */
function refuseDebugger(): void {
  const loadsCode = /--(inspect|require|import|loader|experimental-loader)\b|(^|\s)-r\b/;
  const flags = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].join(' ');
  if (inspector.url() !== undefined || loadsCode.test(flags)) {
    throw new SoftHsmError('SOFT_HSM_USAGE', 'the HSM does not run under a debugger or with preloaded code');
  }
}

/** Prints the manifest of the files of this program. */
function signManifest(args: string[]): void {
  const key = createPrivateKey(readFileSync(parseSignManifestOptions(args)));
  console.log(JSON.stringify(makeManifest(key), undefined, 2));
}

main(process.argv.slice(2)).catch((error: unknown) => {
  if (!(error instanceof Error)) throw error;
  console.error(`soft-hsm: ${error.message}`);
  if (error instanceof SoftHsmError && error.code === 'SOFT_HSM_USAGE') {
    console.error('soft-hsm help lists what there is');
    process.exitCode = exitCodes.usage;
  } else {
    process.exitCode = exitCodes.failed;
  }
});
