// Initial keys through the payShield adapter from a soft HSM process, over its unix socket and over TLS, against the
// same derivation and wraps in a bare loop: `node test/bench/hsm-client.mjs` after `npx tsc -b`. Two cores: one for the
// HSM, one for its client. Contestants take turns, best of three rounds; the keys are proved equal first. Prints the CPU
// time of the HSM for each load beside the rate, which says more on a machine that is not quiet; exit code 1 where a limit
// is missed.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { kcvAes } from '@openkdh/block-ciphers';
import { deriveAesInitialKey } from '@openkdh/dukpt';
import { connectPayShield } from '@openkdh/hsm-client';
import { createLocalCa } from '@openkdh/pki';
import { kbpk as kbpkHandle } from '@openkdh/tr31';
import { lmkHandle } from '@openkdh/tr31/thales';

const ROUND_MS = 1500;
const CLOCK_TICK_US = 10_000; // of /proc/PID/stat
/** [contestant, the one that it is measured by, least share of its rate] */
const LIMITS = [
  ['unix socket, 16 under way', 'bare loop', 0.6],
  ['TLS, 16 under way', 'unix socket, 16 under way', 0.5],
];
const folder = mkdtempSync(join(tmpdir(), 'hsm-bench-'));
const file = (name, content) => {
  writeFileSync(join(folder, name), content, { mode: 0o600 });
  return join(folder, name);
};
const ca = await createLocalCa({ commonName: 'HSM link CA', notBefore: new Date() });
const server = await ca.issueServer({ commonName: 'soft-hsm', hosts: ['127.0.0.1'] });
const client = await ca.issueClient({ commonName: 'kdh' });

const socket = join(folder, 'host.sock');
const hsmProcess = spawn(
  process.execPath,
  [
    new URL('../../apps/soft-hsm/dist/main.js', import.meta.url).pathname,
    ...['serve', '--state', join(folder, 'state'), '--socket', socket, '--test-lmk'],
    ...['--tls-port', '0', '--tls-cert', file('server.pem', server.certificate)],
    ...['--tls-key', file('server-key.pem', server.privateKey), '--tls-ca', file('ca.pem', ca.certificate)],
  ],
  { stdio: ['pipe', 'pipe', 'inherit'] },
);
let tlsPort;
for await (const line of createInterface({ input: hsmProcess.stdout })) {
  const entry = JSON.parse(line);
  if (entry.event === 'ready') {
    tlsPort = Number(entry.tls.split(':').at(-1));
    break;
  }
}
hsmProcess.stdout.resume();

// The public test LMK of test/vectors/payshield.json, so that the bare loop has the same BDK and KBPK as the HSM.
const lmk = lmkHandle(Buffer.from('9B71333A13F9FAE72F9D0E2DAB4AD6784718012F9244033F3F26A2DE0C8AA11A', 'hex'));
const lmkHeader = { versionId: '1', algorithm: 'A', keyVersion: '00', lmkId: '01', optionalBlocks: [] };
const bdk = Buffer.from('AFF176C59049CAD1A171A0D55E9162F6', 'hex');
const kbpk = Buffer.from('000102030405060708090A0B0C0D0E0F', 'hex');
const bdkBlock = `S${lmk.wrap({ ...lmkHeader, keyUsage: 'B0', modeOfUse: 'X', exportability: 'S' }, bdk)}`;
const kbpkBlock = `S${lmk.wrap({ ...lmkHeader, keyUsage: 'K1', modeOfUse: 'B', exportability: 'E' }, kbpk)}`;

let device = 0;
const nextKsn = () => {
  const ksn = Buffer.from('1234567800000000', 'hex');
  device += 1;
  ksn.writeUInt32BE(device, 4);
  return ksn;
};
const blockOf = (ksn) => ({ id: 'IK', data: ksn.toString('hex').toUpperCase() });

const handle = kbpkHandle(kbpk);
const bare = (ksn) => {
  const key = deriveAesInitialKey(bdk, ksn);
  const optionalBlocks = [blockOf(ksn)];
  const common = { keyUsage: 'B1', algorithm: 'A', modeOfUse: 'X', keyVersion: '00', optionalBlocks };
  lmk.wrap({ ...common, versionId: '1', exportability: 'S', lmkId: '01' }, key);
  const keyBlock = handle.wrap({ ...common, versionId: 'D', exportability: 'N', keyContext: '0' }, key);
  return { keyBlock, kcv: Buffer.from(kcvAes(key)).toString('hex').toUpperCase() };
};
const through = (hsm) => (ksn) =>
  hsm.exportInitialKey({
    bdk: bdkBlock,
    scheme: 'AES',
    initialKsn: ksn,
    kbpk: kbpkBlock,
    versionId: 'D',
    algorithm: 'A128',
    optionalBlocks: [blockOf(ksn)],
    exportability: 'N',
  });

/** CPU time of the HSM so far, all threads, in microseconds. */
function hsmCpuUs() {
  const [, fields] = readFileSync(`/proc/${hsmProcess.pid}/stat`, 'latin1').split(') ');
  const [user, system] = fields.split(' ').slice(11, 13);
  return (Number(user) + Number(system)) * CLOCK_TICK_US;
}

/** Loads per second, the 99th percentile in milliseconds, and the HSM's CPU time for each, with `depth` calls under way. */
async function measure(one, depth) {
  const times = [];
  const cpuBefore = hsmCpuUs();
  const end = performance.now() + ROUND_MS;
  const start = performance.now();
  const worker = async () => {
    while (performance.now() < end) {
      const from = performance.now();
      await one(nextKsn());
      times.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: depth }, worker));
  const rate = (times.length / (performance.now() - start)) * 1000;
  times.sort((a, b) => a - b);
  const cpuUs = (hsmCpuUs() - cpuBefore) / times.length;
  return { rate, p99: times[Math.floor(times.length * 0.99)], cpuUs };
}

try {
  const overSocket = await connectPayShield({
    endpoints: [{ transport: 'unix', path: socket }],
    connections: 1,
  });
  const overTls = await connectPayShield({
    endpoints: [{ transport: 'tls', host: '127.0.0.1', port: tlsPort }],
    tls: { cert: client.certificate, key: client.privateKey, ca: ca.certificate },
    connections: 1,
  });
  for (let i = 0; i < 50; i += 1) {
    const ksn = nextKsn();
    const expected = handle.unwrap(bare(ksn).keyBlock).key;
    for (const hsm of [overSocket, overTls]) {
      assert.deepEqual(handle.unwrap((await through(hsm)(ksn)).keyBlock).key, expected);
    }
  }
  const contestants = [
    ['bare loop', async (ksn) => bare(ksn), 1],
    ['unix socket, 16 under way', through(overSocket), 16],
    ['unix socket, 64 under way', through(overSocket), 64],
    ['TLS, 16 under way', through(overTls), 16],
    ['TLS, 64 under way', through(overTls), 64],
  ];
  const best = new Map();
  for (let round = 0; round < 3; round += 1) {
    for (const [name, one, depth] of contestants) {
      const result = await measure(one, depth);
      if (result.rate > (best.get(name)?.rate ?? 0)) best.set(name, result);
    }
  }
  console.log(`load average ${loadavg()[0].toFixed(1)}`);
  const shareOf = (name, of) => best.get(name).rate / best.get(of).rate;
  const percent = (share) => `${Math.round(100 * share)} %`;
  for (const [name, { rate, p99, cpuUs }] of best) {
    const columns = [
      name.padEnd(28),
      `${Math.round(rate)}/s`.padStart(9),
      percent(shareOf(name, 'bare loop')).padStart(6),
      `p99 ${p99.toFixed(2)} ms`.padStart(13),
      `HSM ${cpuUs.toFixed(0)} µs of CPU each`,
    ];
    console.log(columns.join(' '));
  }
  for (const [name, of, least] of LIMITS) {
    const missed = shareOf(name, of) < least;
    if (missed) process.exitCode = 1;
    console.log(
      `${missed ? 'MISSED' : 'met   '} ${name}: ${percent(shareOf(name, of))} of ${of}, at least ${percent(least)}`,
    );
  }
  await Promise.all([overSocket.close(), overTls.close()]);
} finally {
  hsmProcess.kill('SIGTERM');
  await once(hsmProcess, 'exit');
  rmSync(folder, { recursive: true });
}
