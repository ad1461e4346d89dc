import type { Sql } from '../database/database.ts';

/**
 * Closes the sessions of nodes whose lease is over, so that their terminals show as not connected and no epoch of theirs
 * can send. Several nodes may do so at once; each session is closed, and its event written, by one of them.
 *
 * The sessions are looked for without locks, by one snapshot. When a row is locked afterwards it may be that of a newer
 * session, which came meanwhile to another node or to the same one started again: PostgreSQL looks at such a row anew, and
 * only the epoch tells that it is not an orphan.
 */
export async function closeOrphanedSessions(sql: Sql, actor: string): Promise<void> {
  await sql.query(
    `with lapsed as (
       delete from node where lease_until < now()
     ), orphan as materialized (
       select terminal_id, epoch from terminal_session s
       where closed_at is null
         and not exists (select 1 from node n where n.id = s.node_id and n.lease_until >= now())
     ), held as (
       select s.terminal_id from terminal_session s join orphan o using (terminal_id, epoch)
       where s.closed_at is null for update of s skip locked
     ), closed as (
       update terminal_session s set closed_at = now() from held h where s.terminal_id = h.terminal_id
       returning s.terminal_id, s.epoch, s.node_id
     )
     insert into audit_event (type, actor, terminal_id, body)
     select 'session.closed', $1, terminal_id,
       jsonb_build_object('epoch', epoch, 'node', node_id, 'reason', 'NODE_LOST')
     from closed`,
    [actor],
  );
}
