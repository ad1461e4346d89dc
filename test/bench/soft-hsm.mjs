// The soft HSM as a process: how soon it is there (less than a second, or exit code 1), and 64 hosts at once that each ask for initial keys of their own KSNs.
// Every answer must have the header of its request and the check value of its KSN's key, so that none crosses over:
// `node test/bench/soft-hsm.mjs` after `npx tsc -b`.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { kcvAes } from '@openkdh/block-ciphers';
import { deriveAesInitialKey } from '@openkdh/dukpt';

const HOSTS = 64;
const ROUND_MS = 3000;
const MOST_START_MS = 1000;
const program = new URL('../../apps/soft-hsm/dist/main.js', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'soft-hsm-bench-'));
const socketPath = join(folder, 'host.sock');

/** Starts it and returns when it is ready, with the time that took. */
async function start(name, ...lmk) {
  const from = performance.now();
  const args = [program, 'serve', '--state', join(folder, name), '--socket', socketPath, ...lmk];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout })) {
    if (JSON.parse(line).event === 'ready') break;
  }
  child.stdout.resume();
  return { child, startMs: performance.now() - from };
}

async function stop(child) {
  child.kill('SIGTERM');
  await once(child, 'exit');
}

// The BDK and ZMK of the public recordings, under the public test LMK (test/vectors/payshield.json).
const bdk = Buffer.from('AFF176C59049CAD1A171A0D55E9162F6', 'hex');
const bdkBlock =
  'S10096B0AN00S000156B82A787599FA184E25CC67CD24EC67E213A6F95808FF9630E5133D4441E445BCD6A901A898186F';
const zmkBlock =
  'S10128K0AN00S00014992CC54DBFA719AB7A7737F6A5DEE252384B03176F5A08BB75EAF35F37C4CD86A0D7BD141A9BC6F77C9D81191A5F3E639AFC53C26D5325F';

/** One host: one command at a time, each for the next KSN of its own. Returns the times in milliseconds. */
async function runHost(number, until) {
  const socket = connect(socketPath);
  await once(socket, 'connect');
  const chunks = socket[Symbol.asyncIterator]();
  const times = [];
  for (let n = 0; performance.now() < until; n += 1) {
    const id = Buffer.alloc(8);
    id.writeUInt32BE(number, 0);
    id.writeUInt32BE(n, 4);
    const header = String(n % 10_000).padStart(4, '0');
    const ksn = id.toString('hex').toUpperCase();
    const message = Buffer.from(`${header}A0BFFFS01${bdkBlock}${ksn}${zmkBlock}R#B1A1N00S00`);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(message.length);
    const from = performance.now();
    socket.write(Buffer.concat([length, message]));
    let answer = Buffer.alloc(0);
    while (answer.length < 2 || answer.length < 2 + answer.readUInt16BE()) {
      answer = Buffer.concat([answer, (await chunks.next()).value]);
    }
    times.push(performance.now() - from);
    const text = answer.toString('latin1', 2);
    const kcv = Buffer.from(kcvAes(deriveAesInitialKey(bdk, id)))
      .toString('hex')
      .toUpperCase();
    assert.equal(text.slice(0, 8) + text.slice(-6), `${header}A100${kcv}`);
  }
  socket.destroy();
  return times;
}

try {
  const passphrase = join(folder, 'passphrase');
  writeFileSync(passphrase, 'a passphrase for the bench\n', { mode: 0o600 });
  for (const name of ['first start, live LMK', 'next start, live LMK']) {
    const { child, startMs } = await start('live', '--passphrase-file', passphrase);
    const missed = startMs >= MOST_START_MS;
    if (missed) process.exitCode = 1;
    console.log(
      `${name.padEnd(28)} ${Math.round(startMs)} ms to OPERATIONAL, self-tests and scrypt included`,
      `(${missed ? 'MISSED' : 'met'}: less than ${MOST_START_MS} ms)`,
    );
    await stop(child);
  }
  const { child } = await start('test', '--test-lmk');
  const until = performance.now() + ROUND_MS;
  const times = (await Promise.all(Array.from({ length: HOSTS }, (_, n) => runHost(n, until)))).flat();
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.floor(times.length * share)].toFixed(1);
  const rate = Math.round((times.length / ROUND_MS) * 1000);
  console.log(
    `${HOSTS} hosts at once`.padEnd(28),
    `${rate}/s, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms; no answer crossed over`,
  );
  await stop(child);
} finally {
  rmSync(folder, { recursive: true });
}
