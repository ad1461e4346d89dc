import { Inject, Injectable } from '@nestjs/common';
import type { Hello } from '@openkdh/terminal-protocol';
import { appendAuditEvents } from '../audit/audit-event.ts';
import { CONFIG, type Config } from '../config/config.ts';
import { Database, type Sql } from '../database/database.ts';
import { GroupCommit } from '../database/group-commit.ts';
import { groupRows } from '../database/rows.ts';
import { signal } from '../database/signals.ts';
import { transition } from '../loads/attempt.ts';
import { applyMoves, attemptOf } from '../loads/attempt-store.ts';
import type { LiveSession } from './session-registry.ts';

export interface OpenedSession {
  epoch: bigint;
  terminalState: 'ACTIVE' | 'SUSPENDED' | 'REVOKED';
  boundKdhFingerprint: string | null;
  signingCertificate: Buffer;
  encryptionFingerprint: string;
  /** Of the inventory that the KDH last saw. */
  inventoryDigest: string | null;
  /** Attempts whose outcome only the terminal knows. */
  unknown: string[];
}

interface Opening {
  terminalId: string;
  serial: string;
  sessionId: string;
  tlsFingerprint: string;
  hello: Hello;
}

type Closing = Pick<LiveSession, 'terminalId' | 'serial' | 'epoch'>;

interface Opened extends Omit<OpenedSession, 'unknown'> {
  terminalId: string;
  /** The other node whose open session this one took over. */
  supersededNode: string | null;
}

/**
 * Opens sessions in the database: the epoch grows by one, so that the newest authenticated session of a terminal wins on
 * every node, and what an older session left SENT becomes OUTCOME_UNKNOWN.
 */
@Injectable()
export class SessionOpener {
  private readonly actor: string;
  private readonly commits = new GroupCommit<Opening, OpenedSession>((items) => this.commit(items));
  private readonly closings = new GroupCommit<Closing, undefined>((items) => this.commitClosings(items));

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly database: Database,
  ) {
    this.actor = `node:${config.KDH_NODE_ID}`;
  }

  open(opening: Opening): Promise<OpenedSession> {
    return this.commits.add(opening);
  }

  /** Compares on the epoch: a close that arrives late must not close the session that followed (F12). */
  close(closing: Closing): Promise<undefined> {
    return this.closings.add(closing);
  }

  private async commitClosings(items: Closing[]): Promise<undefined[]> {
    await this.database.transaction(async (sql) => {
      const closed = await sql.query<Closing>(
        `with held as materialized (
           select s.terminal_id, c.serial, c.epoch
           from unnest($1::uuid[], $2::text[], $3::bigint[]) as c(terminal_id, serial, epoch)
             join terminal_session s using (terminal_id, epoch)
           where s.closed_at is null order by s.terminal_id for no key update of s
         )
         update terminal_session s set closed_at = now() from held h
         where s.terminal_id = h.terminal_id and s.epoch = h.epoch and s.closed_at is null
         returning s.terminal_id as "terminalId", h.serial, h.epoch`,
        [
          items.map((item) => item.terminalId),
          items.map((item) => item.serial),
          items.map((item) => item.epoch),
        ],
        'close-sessions',
      );
      await appendAuditEvents(
        sql,
        closed.map(({ terminalId, serial, epoch }) => ({
          type: 'session.closed',
          actor: `terminal:${serial}`,
          terminalId,
          body: { epoch: Number(epoch) },
        })),
      );
    });
    return items.map(() => undefined);
  }

  private commit(items: Opening[]): Promise<OpenedSession[]> {
    return this.database.transaction(async (sql) => {
      sql.commitsAs('epoch.bump');
      const rows = await this.bumpEpochs(sql, items);
      await this.supersede(sql, rows);
      const opened = new Map(rows.map((row) => [row.terminalId, row]));
      const unknown = await this.loseSent(
        sql,
        items.map((item) => item.terminalId),
      );
      await appendAuditEvents(
        sql,
        items.map(({ terminalId, serial, hello, tlsFingerprint }) => ({
          type: 'session.opened',
          actor: `terminal:${serial}`,
          terminalId,
          body: {
            epoch: Number(opened.get(terminalId)?.epoch),
            node: this.config.KDH_NODE_ID,
            tlsFingerprint,
            hardware: hello.hardware,
            firmware: hello.firmware,
          },
        })),
      );
      return items.map(({ terminalId }) => ({
        ...(opened.get(terminalId) as Opened),
        unknown: unknown.get(terminalId) ?? [],
      }));
    });
  }

  /** The nodes that held older sessions of these terminals let go of them; this node's registry does so by itself. */
  private async supersede(sql: Sql, opened: Opened[]): Promise<void> {
    await signal(
      sql,
      'superseded',
      opened
        .filter(({ supersededNode }) => supersededNode !== null)
        .map(({ terminalId, epoch }) => ({ terminalId, epoch: Number(epoch) })),
    );
  }

  /** Terminals are locked before sessions, all of them: the order of `Database`. */
  private bumpEpochs(sql: Sql, items: Opening[]) {
    return sql.query<Opened>(
      `with opening as (
         select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[])
           as o(terminal_id, session_id, node_id, hardware, firmware)
       ), held as materialized (
         select id from terminal where id = any($1::uuid[]) order by id for no key update
       ), described as (
         update terminal t set hardware = o.hardware, firmware = o.firmware from opening o
         where t.id = o.terminal_id and (t.hardware, t.firmware) is distinct from (o.hardware, o.firmware)
           and (select count(*) from held) > 0
       ), session as (
         insert into terminal_session as s (terminal_id, session_id, node_id, epoch, opened_at)
         select terminal_id, session_id, node_id, 1, now() from opening
         where (select count(*) from held) > 0 order by terminal_id
         on conflict (terminal_id) do update set epoch = s.epoch + 1, session_id = excluded.session_id,
           node_id = excluded.node_id, opened_at = now(), closed_at = null,
           superseded_node = case when s.closed_at is null and s.node_id <> excluded.node_id then s.node_id end
         returning terminal_id, epoch, superseded_node
       )
       select s.terminal_id as "terminalId", s.epoch, s.superseded_node as "supersededNode", t.state as "terminalState",
         t.bound_kdh_fingerprint as "boundKdhFingerprint", t.inventory_digest as "inventoryDigest",
         (select certificate from terminal_certificate c where c.terminal_id = t.id and c.purpose = 'SIGNING'
           and c.revoked_at is null) as "signingCertificate",
         (select fingerprint from terminal_certificate c where c.terminal_id = t.id and c.purpose = 'ENCRYPTION'
           and c.revoked_at is null) as "encryptionFingerprint"
       from session s join terminal t on t.id = s.terminal_id`,
      [
        items.map((item) => item.terminalId),
        items.map((item) => item.sessionId),
        items.map(() => this.config.KDH_NODE_ID),
        items.map((item) => item.hello.hardware),
        items.map((item) => item.hello.firmware),
      ],
    );
  }

  /** Returns the attempts of each terminal that wait for QUERY. */
  private async loseSent(sql: Sql, terminalIds: string[]): Promise<Map<string, string[]>> {
    const rows = await sql.query<{ id: string; state: string; version: number; terminalId: string }>(
      `select id, state, version, terminal_id as "terminalId" from attempt
       where terminal_id = any($1::uuid[]) and outcome is null and state in ('SENT', 'OUTCOME_UNKNOWN') order by id for no key update`,
      [terminalIds],
    );
    await applyMoves(
      sql,
      rows
        .filter((row) => row.state === 'SENT')
        .map((row) => ({ steps: [transition(attemptOf(row), 'lose')], actor: this.actor })),
    );
    return new Map(
      [...groupRows(rows, (row) => row.terminalId)].map(([terminalId, group]) => [
        terminalId,
        group.map((row) => row.id),
      ]),
    );
  }
}
