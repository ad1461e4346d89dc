import type pg from 'pg';

/**
 * Fills an empty, migrated database with transfers and events that differ in everything that can be searched for, so that
 * each value is shared by some and not by others. Deterministic; ids are UUIDv7, one a second from the first day of 2026.
 * A terminal's attempts are numbered out of the order of their ids, in fours.
 * Returns how many transfers there are: a terminal has no second one under way.
 */
export async function fillForSearches(client: pg.Client, transfers: number): Promise<number> {
  const id = (n: string) =>
    `(lpad(to_hex(1767225600000 + ${n} * 1000), 12, '0') || '7000800000000000000' || 'f')`;
  await client.query(`
    create function pg_temp.uuid_of(hex text) returns uuid language sql immutable as
      $$ select (rpad(hex, 32, '0'))::uuid $$;
    insert into profile (id, name, slots) select pg_temp.uuid_of('01'), 'PIN and data', '[]';
    insert into bdk (id, name, scheme, algorithm, key_block, kcv, bdk_id, last_device, max_devices)
      select pg_temp.uuid_of('b' || n), 'BDK ' || n, 'TDES', 'T2', 'S', lpad(n::text, 6, '0'), lpad(n::text, 10, '0'), 500000, 400000
      from generate_series(1, 3) n;
    insert into terminal (id, serial, model, profile_id, attempts_made)
      select pg_temp.uuid_of('7' || lpad(n::text, 6, '0')), 'SIM-' || lpad(n::text, 4, '0'), 'M', pg_temp.uuid_of('01'), 0
      from generate_series(1, 300) n;
    insert into attempt (id, load_id, terminal_id, number, kind, profile_id, profile_version, requested_by, state,
        deadline, expires_at, nonce_k2, campaign_id, run_id, station)
      select ${id('n')}::uuid, pg_temp.uuid_of('10ad'), pg_temp.uuid_of('7' || lpad((1 + n % 300)::text, 6, '0')), 1 + (n / 300 # 3),
        case when n % 5 = 0 then 'KBPK' else 'KEYS' end, pg_temp.uuid_of('01'), 1,
        case when n % 4 = 0 then 'operator:alice' else 'terminal:SIM-' || lpad((1 + n % 300)::text, 4, '0') end,
        case when n % 50 = 7 then 'SENT' when n % 11 = 3 then 'FAILED' else 'CONFIRMED' end,
        case when n % 50 = 7 then now() end, now(), '',
        case when n % 6 = 1 then pg_temp.uuid_of('ca') end, case when n % 9 = 2 then pg_temp.uuid_of('f1') end,
        case when n % 13 = 5 then 'bench 1' end
      from generate_series(0, ${transfers - 1}) n
      on conflict do nothing;
    insert into attempt_key (attempt_id, position, slot, usage, algorithm, bdk_id, ksn, kcv_expected,
        burned)
      select ${id('n')}::uuid, p, 'PIN' || p, 'B1', 'T2', pg_temp.uuid_of('b' || (1 + (n + p) % 3)),
        lpad((1 + (n + p) % 3)::text, 10, '0') || lpad(n::text, 5, '0') || '00000', lpad((n % 97)::text, 6, '0'),
        n % 50 <> 7 and n % 11 = 3
      from generate_series(0, ${transfers - 1}) n, generate_series(0, 1) p
      where exists (select 1 from attempt where id = ${id('n')}::uuid);
    insert into attempt_check_value select kcv_expected, attempt_id from attempt_key;
    insert into attempt_approval (attempt_id, person, role, authentication)
      select ${id('n')}::uuid, 'operator:bob', 'approver', 'token' from generate_series(0, ${transfers - 1}) n
      where n % 8 = 3 and exists (select 1 from attempt where id = ${id('n')}::uuid);
    insert into audit_event (time, type, actor, terminal_id, attempt_id, body)
      select '2026-01-01T00:00:00Z'::timestamptz + n / 3 * interval '1 second', -- some share their time
        case n % 7 when 0 then 'attempt.quarantined' when 1 then 'bdk.frozen' when 2 then 'bdk.released'
          else 'attempt.sent' end,
        case when n % 7 in (1, 2) then 'operator:alice' when n % 7 = 0 then 'node:a' else 'node:b' end,
        case when n % 7 in (1, 2) then case when n % 2 = 0 then pg_temp.uuid_of('7000001') end
          else (select terminal_id from attempt where id = ${id('n')}::uuid) end,
        case when n % 7 not in (1, 2) then ${id('n')}::uuid end,
        case when n % 7 = 1 then '{"reason": "repair return; seal 4711"}' else '{"reason": "routine"}' end::jsonb
      from generate_series(0, ${transfers - 1}) n;
    analyze`);
  const { rows } = await client.query<{ stored: number }>('select count(*)::int as stored from attempt');
  return rows[0]!.stored;
}
