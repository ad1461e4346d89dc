// A long history, made by PostgreSQL itself: what a year of loads leaves behind.

/** Of the data. All ids and values follow from them, so that a search can ask for what is there. */
export const shape = {
  terminals: 50_000,
  bdks: 20,
  campaigns: 500,
  runs: 2_000,
  stations: 12,
  people: 8,
  firstDay: Date.UTC(2025, 10, 24),
  days: 365,
};

export const terminalSerial = (n) => `SIM-${String(n).padStart(6, '0')}`;
export const uuidOf = (kind, n) => `${kind}-0000-7000-8000-${n.toString(16).padStart(12, '0')}`;
export const bdkId = (n) => uuidOf('0000bdbd', n);
export const campaignId = (n) => uuidOf('0000caca', n);
export const runId = (n) => uuidOf('0000f0f0', n);
export const ksnOf = (n) =>
  `${String(n % shape.bdks).padStart(10, '0')}${n.toString(16).toUpperCase().padStart(8, '0')}00`;
/** Any 24 bits, no two runs of neighbours alike. */
export const kcvOf = (n) =>
  ((BigInt(n) * 2_654_435_761n) % 16_777_216n).toString(16).toUpperCase().padStart(6, '0');

const uuid = (kind, n) => `('${kind}-0000-7000-8000-' || lpad(to_hex(${n}), 12, '0'))::uuid`;

/** Terminals, BDKs and what belongs to them: few rows. */
export function fleetStatements() {
  const { terminals, bdks } = shape;
  return [
    `insert into profile (id, name, slots) values (${uuid('0000d0d0', 1)}, 'PIN', '[]')`,
    `insert into bdk (id, name, scheme, algorithm, key_block, kcv, bdk_id, last_device, max_devices)
     select ${uuid('0000bdbd', 'n')}, 'BDK ' || n, 'TDES', 'T2', '', upper(lpad(to_hex(n), 6, '0')), lpad(n::text, 10, '0'),
       500000, 400000 from generate_series(0, ${bdks - 1}) n`,
    `insert into terminal (id, serial, model, hardware, firmware, profile_id)
     select ${uuid('0000eeee', 'n')}, 'SIM-' || lpad(n::text, 6, '0'), 'SIM-1', '1.0', '2.4.1', ${uuid('0000d0d0', 1)}
     from generate_series(0, ${terminals - 1}) n`,
    `insert into terminal_certificate (id, terminal_id, purpose, fingerprint, serial_number, spki_sha256, certificate,
       not_before, not_after)
     select ${uuid('0000cece', 'n * 3 + p')}, ${uuid('0000eeee', 'n')}, (array['TLS', 'ENCRYPTION', 'SIGNING'])[p],
       lpad((n * 3 + p)::text, 64, '0'), (n * 3 + p)::text, lpad((n * 3 + p)::text, 64, '0'), '', '2025-01-01', '2035-01-01'
     from generate_series(0, ${terminals - 1}) n, generate_series(1, 3) p`,
    `insert into terminal_kbpk (id, terminal_id, slot, algorithm, key_block, kcv, attempt_id, confirmed_at)
     select ${uuid('0000bbbb', 'n')}, ${uuid('0000eeee', 'n')}, 'KBPK-AES', 'A128', '', upper(lpad(to_hex(n), 6, '0')),
       ${uuid('0000bbbb', 'n')}, '2025-01-01' from generate_series(0, ${terminals - 1}) n`,
  ];
}

/**
 * Attempts number `first` to before `end` of so many in a year: one key each, an approval for every hundredth, an event
 * for every tenth. Two such parts may be made at once.
 */
export function historyStatements(first, end, transfers) {
  const { terminals, bdks, campaigns, runs, stations, people, firstDay, days } = shape;
  const series = `generate_series(${first}, ${end - 1}) n`;
  const milliseconds = `(${firstDay} + n::bigint * ${Math.floor((days * 86_400_000) / transfers)})`;
  const time = `to_timestamp(${milliseconds} / 1000.0)`;
  const attempt = `(lpad(to_hex(${milliseconds}), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid`;
  const terminal = `n % ${terminals}`;
  const serial = `'SIM-' || lpad((${terminal})::text, 6, '0')`;
  // A terminal has one attempt under way at most: the last ones of some.
  const underWay = `n >= ${transfers - terminals} and n % 100 = 9`;
  const state = `case when n % 40 = 7 then (array['FAILED', 'EXPIRED', 'CANCELLED', 'REJECTED'])[1 + n / 40 % 4]
    when n % 5000 = 3 then 'QUARANTINED' when ${underWay} then 'SENT' else 'CONFIRMED' end`;
  const kcv = `upper(lpad(to_hex(n::bigint * 2654435761 % 16777216), 6, '0'))`;
  return [
    `insert into attempt (id, load_id, terminal_id, number, kind, profile_id, profile_version, requested_by, reason, state,
       version, deadline, expires_at, nonce_k2, sent_epochs, reason_code, evidence, times, created_at, campaign_id, run_id,
       station)
     select ${attempt}, ${attempt}, ${uuid('0000eeee', `(${terminal})`)}, 1 + n / ${terminals},
       case when n < ${terminals} then 'KBPK' else 'KEYS' end, ${uuid('0000d0d0', 1)}, 1,
       case when n % 50 = 1 then 'operator:person ' || n / 50 % ${people} else 'terminal:' || ${serial} end,
       case when n % 50 = 1 then 'repair return' end, ${state}, 9, case when ${underWay} then ${time} end,
       ${time}, '\\x00112233445566778899aabbccddeeff', '{1}', case when n % 40 = 7 then 'TERMINAL_REFUSED' end,
       '{"hsm": "payShield 10K", "node": "kdh-1"}',
       array[${[...Array(10)].map((_, second) => `'2026-01-01T00:00:0${second}Z'`).join()}]::timestamptz[],
       ${time}, case when n % 2 = 0 then ${uuid('0000caca', `n / 2 % ${campaigns}`)} end,
       case when n % 5 = 2 then ${uuid('0000f0f0', `n / 5 % ${runs}`)} end,
       case when n % 5 = 2 then 'bench ' || n / 5 % ${stations} end
     from ${series}`,
    `insert into attempt_key (attempt_id, position, slot, usage, algorithm, version_id, bdk_id, ksn, wrapped_under, header,
       key_block_sha256, kcv_expected, kcv_reported, result_code, burned)
     select ${attempt}, 0, 'PIN', 'B1', 'T2', 'B', ${uuid('0000bdbd', `n % ${bdks}`)},
       lpad((n % ${bdks})::text, 10, '0') || upper(lpad(to_hex(n), 8, '0')) || '00', 'KBPK-AES', 'D0144B1TX00N0200',
       lpad(n::text, 64, '0'), ${kcv}, ${kcv}, 0, (${state}) not in ('CONFIRMED', 'SENT') from ${series}`,
    `insert into attempt_check_value select ${kcv}, ${attempt} from ${series}`,
    `insert into attempt_approval (attempt_id, person, role, authentication, approved_at)
     select ${attempt}, 'operator:approver ' || n / 100 % ${people}, 'approver', 'token', ${time}
     from ${series} where n % 100 = 2`,
    `insert into audit_event (time, type, actor, terminal_id, attempt_id, body)
     select ${time}, case when n % 100 = 11 then 'terminal.enrolled' else 'attempt.' || lower(${state}) end,
       case when n % 100 = 11 then 'operator:person ' || n / 100 % ${people} else 'terminal:' || ${serial} end,
       ${uuid('0000eeee', `(${terminal})`)}, case when n % 100 <> 11 then ${attempt} end,
       case when n % 100 = 11 then jsonb_build_object('reason', 'batch ' || n / 100)
         else '{"event": "match", "version": 9}' end
     from ${series} where n % 10 in (1, 7) or n % 5000 = 3`,
  ];
}
