// The server of the bound: the steps of a load with raw pg, raw BullMQ and raw ws, and none of the framework, state
// machine, validation, audit detail or recovery of kdh-server. It is what this machine can do, not how to do it: a crash
// of it would lose loads and use KSNs twice. Started by bound.mjs, which talks to it over IPC.
import { verify, X509Certificate } from 'node:crypto';
import { createServer } from 'node:https';
import { connect } from 'node:net';
import { createLocalCa } from '@openkdh/pki';
import { createPostgresBackend, Queue, runMigrations, Worker, withBackend } from 'bullmq';
import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { WebSocketServer } from 'ws';

const loadsPerJob = 100;
const jobsAtATime = 8;

/** A queue of writes: one statement at a time, and all that came during it share the next one. */
class BatchingWriter {
  #pool;
  #waiting = [];
  #writing = false;

  constructor(pool) {
    this.#pool = pool;
  }

  /** `load` is inserted, or confirmed when it has results; resolves after the commit. */
  write(load, results) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ load, results, resolve, reject });
      if (this.#writing) return;
      this.#writing = true;
      setImmediate(() => this.#run());
    });
  }

  async #run() {
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      try {
        await this.#flush(group);
        for (const { resolve } of group) resolve();
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.#writing = false;
  }

  #flush(group) {
    const inserted = group.filter(({ results }) => results === undefined);
    const confirmed = group.filter(({ results }) => results !== undefined);
    return this.#pool.query({
      name: 'flush',
      text: `with i as (
          insert into transfer (id, terminal, plan) select * from unnest($1::uuid[], $2::text[], $3::jsonb[])
        ), u as (
          update transfer set state = 'CONFIRMED', confirmed_at = now() where id = any($4::uuid[])
        )
        insert into audit (transfer, event, body) select * from unnest($5::uuid[], $6::text[], $7::jsonb[])`,
      values: [
        inserted.map(({ load }) => load.id),
        inserted.map(({ load }) => load.terminal.serial),
        inserted.map(({ load }) => JSON.stringify(load.plan)),
        confirmed.map(({ load }) => load.id),
        group.map(({ load }) => load.id),
        group.map(({ results }) => (results === undefined ? 'sent' : 'confirmed')),
        group.map(({ load, results }) =>
          JSON.stringify(results ?? { plan: load.plan.map(({ ksn }) => ksn) }),
        ),
      ],
    });
  }
}

/** The HSM's host port: length[2] header[4] message; answers find their caller by the header. */
class HsmLink {
  #socket;
  #waiting = new Map();
  #outgoing = [];
  #received = Buffer.alloc(0);
  #counter = 0;

  constructor(path) {
    this.#socket = connect(path);
    this.#socket.on('data', (chunk) => this.#receive(chunk));
  }

  /** The answer after its header, to a message of ASCII text. */
  call(message) {
    return new Promise((resolve) => {
      this.#counter = (this.#counter + 1) & 0xffff;
      const header = this.#counter.toString(16).padStart(4, '0');
      this.#waiting.set(header, resolve);
      const frame = Buffer.from(`..${header}${message}`, 'latin1');
      frame.writeUInt16BE(frame.length - 2);
      if (this.#outgoing.push(frame) === 1) {
        process.nextTick(() => this.#socket.write(Buffer.concat(this.#outgoing.splice(0))));
      }
    });
  }

  #receive(chunk) {
    let bytes = Buffer.concat([this.#received, chunk]);
    while (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE()) {
      const answer = bytes.toString('latin1', 2, 2 + bytes.readUInt16BE());
      bytes = bytes.subarray(2 + bytes.readUInt16BE());
      const header = answer.slice(0, 4);
      this.#waiting.get(header)(answer.slice(4));
      this.#waiting.delete(header);
    }
    this.#received = bytes;
  }
}

const slots = {
  PIN: {
    scheme: 'AES',
    request: (bdk, ksn, kbpk) =>
      `A0BFFFS01${bdk}${ksn.slice(0, 16)}${kbpk}R#B1A1X00S01IK14${ksn.slice(0, 16)}&N!D`,
  },
  DATA: {
    scheme: 'TDES',
    request: (bdk, ksn, kbpk) => `A0BFFFS01${bdk}${ksn.slice(0, 15)}${kbpk}R#B1T2X00S01KS18${ksn}&N!B`,
  },
};

/** A1 00, the key under the LMK (S block, not needed), the TR-31 block (tag R), KCV[6]. */
function readInitialKey(answer) {
  if (!answer.startsWith('A100S')) throw new Error(`the HSM answered ${answer.slice(0, 4)}`);
  const exportedAt = 5 + Number(answer.slice(6, 10)) + 1;
  const length = Number(answer.slice(exportedAt + 1, exportedAt + 5));
  return { tr31: answer.slice(exportedAt, exportedAt + length), kcv: answer.slice(exportedAt + length) };
}

/** Initial KSNs that no load of kdh-server has: it counts devices from 1. */
let device = 2 ** 18;
function nextKsns(bdks) {
  device += 1;
  return {
    PIN: `${bdks.AES.bdkId}${device.toString(16).toUpperCase().padStart(8, '0')}00000000`,
    DATA: bdks.TDES.bdkId + (BigInt(device) << 21n).toString(16).toUpperCase().padStart(10, '0'),
  };
}

async function readKeys(url) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const bdks = await client.query('select scheme, bdk_id as "bdkId", key_block as "keyBlock" from bdk');
  const terminals = await client.query(
    `select t.serial, c.certificate,
       (select jsonb_object_agg(slot, key_block) from terminal_kbpk k
         where k.terminal_id = t.id and confirmed_at is not null and retired_at is null) as kbpks
     from terminal t join terminal_certificate c on c.terminal_id = t.id and c.purpose = 'SIGNING' order by t.serial`,
  );
  await client.end();
  return {
    bdks: Object.fromEntries(bdks.rows.map((bdk) => [bdk.scheme, bdk])),
    terminals: terminals.rows.map(({ serial, certificate, kbpks }) => ({
      serial,
      signingKey: new X509Certificate(certificate).publicKey,
      kbpks: { PIN: kbpks['KBPK-AES'], DATA: kbpks['KBPK-TDES'] },
    })),
  };
}

async function makeTables(url) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`
    create table transfer (id uuid primary key, terminal text not null, state text not null default 'SENT',
      plan jsonb not null, created_at timestamptz not null default now(), confirmed_at timestamptz);
    create table audit (id bigint generated always as identity primary key, transfer uuid not null,
      event text not null, body jsonb not null, time timestamptz not null default now());`);
  await runMigrations(client);
  // As in kdh-server: without statistics BullMQ's claim is four to five times slower.
  await client.query(
    'alter table bullmq.job set (autovacuum_analyze_threshold = 200, autovacuum_vacuum_threshold = 200)',
  );
  await client.end();
}

function openQueue(url, redisUrl, work) {
  const classes = redisUrl ? { Queue, Worker } : withBackend(createPostgresBackend);
  const connection = redisUrl ? { url: redisUrl, maxRetriesPerRequest: null } : { connectionString: url };
  new classes.Worker('bound', (job) => work(job.data.loads), { connection, concurrency: jobsAtATime });
  return new classes.Queue('bound', { connection });
}

async function listen(clientCa) {
  const ca = await createLocalCa({ commonName: 'bound', notBefore: new Date() });
  const tls = await ca.issueServer({ commonName: 'bound', hosts: ['127.0.0.1'] });
  const server = createServer({
    key: tls.privateKey,
    cert: tls.certificate,
    ca: clientCa,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3',
  });
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { sockets, port: server.address().port, serverCa: ca.certificate };
}

async function open({ systemUrl, databaseUrl, redisUrl, hsmSocket, clientCa }) {
  const { bdks, terminals } = await readKeys(systemUrl);
  await makeTables(databaseUrl);
  const writer = new BatchingWriter(new pg.Pool({ connectionString: databaseUrl }));
  const hsm = new HsmLink(hsmSocket);
  const { sockets, port, serverCa } = await listen(clientCa);
  const connected = new Map();
  const loads = new Map();
  let confirmed = 0;
  let allConfirmed = () => {};

  const wrap = async (terminal, slot, ksn) => {
    const { scheme, request } = slots[slot];
    const answer = await hsm.call(request(bdks[scheme].keyBlock, ksn, terminal.kbpks[slot]));
    return { slot, ksn, ...readInitialKey(answer) };
  };
  const deliver = async (load) => {
    load.plan = await Promise.all(
      Object.entries(load.ksns).map(([slot, ksn]) => wrap(load.terminal, slot, ksn)),
    );
    await writer.write(load);
    connected.get(load.terminal.serial).send(JSON.stringify({ id: load.id, plan: load.plan }));
  };
  const confirm = async (socket, text) => {
    const { id, results, signature } = JSON.parse(text);
    const load = loads.get(id);
    const signed = Buffer.from(id + JSON.stringify(results));
    if (!verify('sha256', signed, load.terminal.signingKey, Buffer.from(signature, 'base64'))) {
      throw new Error(`${load.terminal.serial}: the signature does not verify`);
    }
    for (const [n, { slot, kcv }] of load.plan.entries()) {
      if (results[n].slot !== slot || results[n].kcv !== kcv)
        throw new Error(`${load.terminal.serial}: other KCVs`);
    }
    await writer.write(load, { results, signature });
    socket.send(JSON.stringify({ id, verdict: 'ACCEPTED' }));
    confirmed += 1;
    if (confirmed === loads.size) allConfirmed();
  };

  sockets.on('connection', (socket, request) => {
    connected.set(request.socket.getPeerCertificate().subject.CN, socket);
    socket.on('message', (data) => confirm(socket, String(data)));
  });
  const queue = openQueue(databaseUrl, redisUrl, (ids) =>
    Promise.all(ids.map((id) => deliver(loads.get(id)))),
  );

  /** One load for every terminal, with these KSNs by serial or with new ones. */
  const round = async (ksns) => {
    loads.clear();
    confirmed = 0;
    const done = new Promise((resolve) => {
      allConfirmed = resolve;
    });
    const start = performance.now();
    for (const terminal of terminals) {
      const id = uuidv7();
      loads.set(id, { id, terminal, ksns: ksns?.[terminal.serial] ?? nextKsns(bdks) });
    }
    const ids = [...loads.keys()];
    const jobs = Array.from({ length: Math.ceil(ids.length / loadsPerJob) }, (_, n) => ({
      name: 'chunk',
      data: { loads: ids.slice(n * loadsPerJob, (n + 1) * loadsPerJob) },
      opts: { removeOnComplete: true, removeOnFail: true },
    }));
    await queue.addBulk(jobs);
    await done;
    const seconds = (performance.now() - start) / 1000;
    const kcvs = Object.fromEntries(
      [...loads.values()].map(({ terminal, plan }) => [
        terminal.serial,
        Object.fromEntries(plan.map(({ slot, kcv }) => [slot, kcv])),
      ]),
    );
    return { seconds, kcvs };
  };
  return { port, serverCa, round };
}

process.once('message', async (settings) => {
  const bound = await open(settings);
  process.on('message', async ({ ksns }) => process.send(await bound.round(ksns)));
  process.send({ port: bound.port, serverCa: bound.serverCa });
});
process.once('disconnect', () => process.exit());
