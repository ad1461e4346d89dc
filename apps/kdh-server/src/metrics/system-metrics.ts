import { Inject, Injectable, Logger } from '@nestjs/common';
import { readCertificate } from '@openkdh/pki';
import { collectDefaultMetrics, Gauge } from 'prom-client';
import { cosignedSize, finalSize } from '../audit/witnesses/cosignatures.ts';
import { CONFIG, type Config } from '../config/config.ts';
import { Database } from '../database/database.ts';
import { devicesLeft } from '../keys/ksn.ts';
import { attemptStates, isFinal } from '../loads/attempt.ts';
import { DERIVE_QUEUE, type DeriveQueue } from '../queue/queue.ts';
import { registry } from './registry.ts';

collectDefaultMetrics({ register: registry });

const gauge = <Label extends string>(name: string, help: string, labelNames: Label[] = []) =>
  new Gauge({ name, help, labelNames, registers: [registry] });

const openAttempts = gauge('kdh_attempts_open', 'Attempts that have not ended, by state; of all nodes', [
  'state',
]);
const sessions = gauge('kdh_sessions', 'Open sessions of terminals, by node', ['node']);
const outboxRows = gauge('kdh_outbox_rows', 'Attempts that wait to be carried to the queue');
const queueJobs = gauge('kdh_queue_jobs', 'Jobs in the queue, each a chunk of attempts, by state', ['state']);
const incidents = gauge('kdh_incidents_open', 'Incidents that wait for a person');
const ksnsLeft = gauge('kdh_ksn_left', 'Initial KSNs that the BDK can still give out', ['bdk']);
const ksnSpaceLeft = gauge('kdh_ksn_left_ratio', 'The same as a share of all, 0 to 1', ['bdk']);
const finalLag = gauge(
  'kdh_log_final_lag_seconds',
  'Age of the oldest checkpoint that witnesses have not made final yet; 0 when the newest is. Absent without witnesses',
);
const witnessLag = gauge(
  'kdh_witness_lag_entries',
  'Entries of the newest checkpoint that the witness has not cosigned',
  ['witness'],
);
const witnessContradicts = gauge(
  'kdh_witness_contradicts',
  '1 while the witness says that it has cosigned another history, else 0',
  ['witness'],
);
const notAfter = gauge(
  'kdh_certificate_not_after_timestamp_seconds',
  'End of validity of a certificate of the KDH, Unix time',
  ['certificate'],
);
const nextUpdate = gauge('kdh_crl_next_update_timestamp_seconds', 'When the CRL becomes stale, Unix time', [
  'issuer',
]);
const expiring = gauge(
  'kdh_terminal_certificates_expiring',
  'Certificates of active terminals that expire within 30 days',
);

/** What all nodes share, read when somebody asks: every node answers the same. */
@Injectable()
export class SystemMetrics {
  private readonly logger = new Logger('Metrics');

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(DERIVE_QUEUE) private readonly queue: DeriveQueue,
    private readonly database: Database,
  ) {}

  /** What cannot be read now is left out of the answer, so that nobody takes an old figure for a new one. */
  async refresh(): Promise<void> {
    const results = await Promise.allSettled([
      this.readLoads(),
      this.readSessions(),
      this.readQueue(),
      this.readKsns(),
      this.readWitnesses(),
      this.readCertificates(),
    ]);
    for (const result of results) {
      if (result.status === 'rejected') {
        this.logger.warn({ event: 'metrics.incomplete', msg: (result.reason as Error).message });
      }
    }
  }

  private async readLoads(): Promise<void> {
    for (const metric of [openAttempts, outboxRows, incidents]) metric.reset();
    const [states, counts] = await Promise.all([
      this.database.query<{ state: string; count: number }>(
        'select state, count(*)::int as count from attempt where outcome is null group by state',
      ),
      this.database.query<{ outbox: number; incidents: number }>(
        `select (select count(*)::int from outbox) as outbox,
           (select count(*)::int from incident where closed_at is null) as incidents`,
      ),
    ]);
    for (const state of attemptStates) if (!isFinal(state)) openAttempts.set({ state }, 0);
    for (const { state, count } of states) openAttempts.set({ state }, count);
    outboxRows.set(counts[0]?.outbox ?? 0);
    incidents.set(counts[0]?.incidents ?? 0);
  }

  private async readSessions(): Promise<void> {
    sessions.reset();
    const rows = await this.database.query<{ node: string; count: number }>(
      `select n.id as node, count(s.terminal_id)::int as count
       from node n left join terminal_session s on s.node_id = n.id and s.closed_at is null group by n.id`,
    );
    for (const { node, count } of rows) sessions.set({ node }, count);
  }

  private async readQueue(): Promise<void> {
    queueJobs.reset();
    for (const [state, count] of Object.entries(await this.queue.depth())) queueJobs.set({ state }, count);
  }

  private async readKsns(): Promise<void> {
    for (const metric of [ksnsLeft, ksnSpaceLeft]) metric.reset();
    const bdks = await this.database.query<{ name: string; nextDevice: bigint; maxDevices: bigint }>(
      'select name, next_device as "nextDevice", max_devices as "maxDevices" from bdk',
    );
    for (const bdk of bdks) {
      const left = Number(devicesLeft(bdk));
      ksnsLeft.set({ bdk: bdk.name }, left);
      ksnSpaceLeft.set({ bdk: bdk.name }, left / Number(bdk.maxDevices));
    }
  }

  private async readWitnesses(): Promise<void> {
    for (const metric of [finalLag, witnessLag, witnessContradicts]) metric.reset();
    const { KDH_WITNESSES: witnesses, KDH_WITNESS_QUORUM: quorum } = this.config;
    if (witnesses.length === 0) return;
    const keys = witnesses.map(({ keyText }) => keyText);
    const [[newest], final, standings] = await Promise.all([
      this.database.query<{ size: bigint }>('select size from log_checkpoint order by size desc limit 1'),
      finalSize(this.database, keys, quorum),
      this.database.query<{ witness: string }>(
        `select witness from log_witness where state = 'CONTRADICTS' and witness = any($1)`,
        [keys],
      ),
    ]);
    const [waiting] = await this.database.query<{ seconds: number }>(
      `select extract(epoch from now() - created_at)::float8 as seconds from log_checkpoint
       where size > $1 order by size limit 1`,
      [final ?? 0n],
    );
    finalLag.set(waiting?.seconds ?? 0);
    for (const { key, keyText } of witnesses) {
      const cosigned = await cosignedSize(this.database, keyText);
      witnessLag.set({ witness: key.name }, Number((newest?.size ?? 0n) - cosigned));
      const contradicts = standings.some(({ witness }) => witness === keyText);
      witnessContradicts.set({ witness: key.name }, contradicts ? 1 : 0);
    }
  }

  private async readCertificates(): Promise<void> {
    for (const metric of [notAfter, nextUpdate, expiring]) metric.reset();
    const [authorities, lists, terminals] = await Promise.all([
      this.database.query<{ role: string; certificate: Buffer }>('select role, certificate from authority'),
      this.database.query<{ issuer: string; seconds: number }>(
        'select issuer, extract(epoch from next_update)::float8 as seconds from revocation_list',
      ),
      this.database.query<{ count: number }>(
        `select count(*)::int as count from terminal_certificate c join terminal t on t.id = c.terminal_id
         where t.state = 'ACTIVE' and c.revoked_at is null and c.not_after < now() + interval '30 days'`,
      ),
    ]);
    for (const { role, certificate } of authorities) {
      notAfter.set({ certificate: role }, readCertificate(certificate).notAfter.getTime() / 1_000);
    }
    for (const { issuer, seconds } of lists) nextUpdate.set({ issuer }, seconds);
    expiring.set(terminals[0]?.count ?? 0);
  }
}
