import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { onFile } from '../files.ts';
import { optional, text, texts } from '../members.ts';
import { readVerifierKey } from '../verifier-key.ts';
import { listen } from './server.ts';
import { StateFile } from './state-file.ts';
import { Witness } from './witness.ts';

export const serveWitness = defineCommand({
  name: 'witness serve',
  summary: 'Runs a witness until it is stopped: cosigns checkpoints of logs that only grow.',
  members: {
    state: text('its state file, made by witness init'),
    listen: optional(text('address, HOST:PORT (127.0.0.1:7780); port 0 is any that is free')),
    logKey: texts('verifier key of a log to serve: a file, or the key itself'),
    tlsCert: optional(text('file with the certificate chain for TLS, PEM')),
    tlsKey: optional(text('file with the private key for TLS, PEM')),
  },
  async run({ state, listen: address = '127.0.0.1:7780', logKey, tlsCert, tlsKey }) {
    const where = parseAddress(address);
    const logKeys = await Promise.all(logKey.map((given) => readVerifierKey(given, 'logKey')));
    const tls = await readTls(tlsCert, tlsKey);
    const file = new StateFile(state);
    try {
      const now = () => BigInt(Math.floor(Date.now() / 1000));
      const witness = new Witness({ file, logKeys, report, now });
      const server = await onAddress(
        listen(witness, { ...where, tls, failed: (error) => report(error.message) }),
      );
      report(`${file.signer.key.name} listens on ${server.url}`);
      await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
      await server.close();
      return { cosigned: witness.cosigned };
    } finally {
      file.close();
    }
  },
});

/** On standard error: standard output has the answer, at the end. */
function report(line: string): void {
  process.stderr.write(`${new Date().toISOString()} ${line}\n`);
}

function parseAddress(address: string): { host: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(address) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) > 65_535) {
    throw new CliError('CLI_MEMBER_INVALID', `listen: expected HOST:PORT, got ${address.length} characters`);
  }
  return { host, port: Number(port) };
}

async function readTls(cert: string | undefined, key: string | undefined) {
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    throw new CliError('CLI_MEMBER_INVALID', 'tlsCert and tlsKey: expected both or none');
  }
  return { cert: await onFile('tlsCert', readFile(cert)), key: await onFile('tlsKey', readFile(key)) };
}

async function onAddress<Result>(listening: Promise<Result>): Promise<Result> {
  try {
    return await listening;
  } catch (error) {
    throw new CliError('CLI_MEMBER_INVALID', `listen: ${(error as Error).message}`);
  }
}
