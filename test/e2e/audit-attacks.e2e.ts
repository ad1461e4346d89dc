/** A superuser of the database against the auditor: what someone does to the history, and what the verifiers say. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openNote, parseCheckpoint, parseNote, parseVerifierKey } from '@openkdh/transparency-log';
import pg from 'pg';
import { exportLog } from '../../apps/cli/src/audit/export.ts';
import { verifyBundle } from '../../apps/cli/src/audit/verify.ts';
import { readState } from '../../apps/cli/src/witness/state-file.ts';
import { ANCHOR_LOCK } from '../../apps/kdh-server/src/audit/log/hsm-anchors.ts';
import { hasSecondVerifier, secondVerdicts } from '../support/second-verifier.ts';
import { Stack } from '../support/stack.ts';
import { WitnessProcess } from '../support/witness.ts';

const TERMINALS = 3;
/** The tables of the history, and the one of names. */
const tables = [
  'person_name',
  'audit_event',
  'audit_unsealed',
  'log_entries',
  'log_tile',
  'log_checkpoint',
  'log_cosignature',
  'log_head',
];

/** Cuts the runs of log_entries up, so that each row has one entry: for whoever wants to lay hands on one. */
const singleEntries = `do $$
  declare
    run log_entries;
    start int;
    length int;
  begin
    for run in delete from log_entries returning * loop
      start := 0;
      for n in 1 .. cardinality(run.event_ids) loop
        length := 2 + get_byte(run.entries, start) * 256 + get_byte(run.entries, start + 1);
        insert into log_entries values (run.first_index + n - 1, run.event_ids[n:n], run.event_span,
          substring(run.entries from start + 1 for length));
        start := start + length;
      end loop;
    end loop;
  end $$`;

describe('an auditor with a kept key and a kept checkpoint', () => {
  const folder = mkdtempSync(join(tmpdir(), 'openkdh-audit-'));
  const previous = join(folder, 'kept-checkpoint');
  let stack: Stack;
  let client: pg.Client;
  let key: string;
  let witness: WitnessProcess;
  /** Another one that the KDH is told of and that never runs. */
  let absent: WitnessProcess;
  let made = 0;

  /** Exports the log into a new bundle. */
  const exportBundle = async (filter: Record<string, unknown> = {}) => {
    const out = join(folder, `bundle-${made++}`);
    const { httpUrl: api, tokenFile } = stack;
    const { exitCode, words } = await exportLog.run({ api, tokenFile, out, ...filter });
    expect([exitCode, words()]).toEqual([0, expect.anything()]);
    return out;
  };
  /** Exit code and words of the first verifier, after the second one agreed. */
  const verify = async (bundle: string, withPrevious = true) => {
    const { exitCode, words } = await verifyBundle.run({ bundle, key, ...(withPrevious && { previous }) });
    const options = ['--key', key, ...(withPrevious ? ['--previous', previous] : [])];
    if (hasSecondVerifier) expect(secondVerdicts([bundle], options)).toMatchObject([{ exitCode }]);
    return { exitCode, words: words() };
  };
  const sizeOf = (bundle: string) =>
    parseCheckpoint(parseNote(readFileSync(join(bundle, 'checkpoint'))).text).size;
  const allSealed = () =>
    stack.until('every event is in a checkpoint', async () => {
      const { rows } = await client.query<{ done: boolean }>(
        `select (select count(*) from audit_event) = (select max(size) from log_checkpoint) as done`,
      );
      return rows[0]!.done;
    });

  /** Does what a superuser can do, looks through the API, and puts the tables back as they were. */
  const attack = async (sql: string, look: () => Promise<void>) => {
    for (const table of tables) await client.query(`create table saved_${table} as table ${table}`);
    const asSuperuser = async (statements: string) => {
      await client.query('set session_replication_role = replica'); // no trigger fires, no reference is checked
      await client.query(`begin; ${statements}; commit`);
      await client.query('set session_replication_role = origin');
    };
    try {
      await asSuperuser(sql);
      await look();
    } finally {
      await asSuperuser(
        tables
          .map(
            (table) =>
              `delete from ${table}; insert into ${table} overriding system value table saved_${table}; drop table saved_${table};`,
          )
          .join(''),
      );
    }
  };

  beforeAll(async () => {
    witness = await WitnessProcess.create(folder, 'auditor.example/w1');
    absent = await WitnessProcess.create(folder, 'auditor.example/w2');
    const list = [witness, absent].map(({ url, key }) => `${url} ${key}`).join();
    stack = await Stack.start({
      nodes: [{}, {}], // two sealers, which both ask the witnesses
      serverEnvironment: { KDH_WITNESSES: list, KDH_WITNESS_QUORUM: '1' },
    });
    client = new pg.Client({ connectionString: stack.databaseUrl });
    await client.connect();
    await stack.startFleet(TERMINALS);
    await stack.untilConfirmed(TERMINALS);
    await stack.stopPart('terminal-sim');
    await stack.until('the sessions are closed', async () => {
      const { rowCount } = await client.query('select 1 from terminal_session where closed_at is null');
      return rowCount === 0;
    });
    // No node writes an anchor from here on: events come from this test alone, and none into the middle of an attack.
    await client.query('select pg_advisory_lock($1)', [ANCHOR_LOCK]);
    await allSealed();
    const first = await exportBundle();
    key = readFileSync(join(first, 'key'), 'utf8').trim();
    writeFileSync(previous, readFileSync(join(first, 'checkpoint')));
    await client.query(
      `insert into audit_event (type, actor) select 'test.later', 'test' from generate_series(1, 5)`,
    );
    await allSealed();
  });
  afterAll(async () => {
    await witness.end('SIGTERM');
    await client.end();
    await stack.stop();
    rmSync(folder, { recursive: true });
  });

  test('verifies what nobody touched, and says so in words', async () => {
    const bundle = await exportBundle();
    const { exitCode, words } = await verify(bundle);
    expect(exitCode).toBe(0);
    expect(words).toContain(`has ${sizeOf(bundle)} entries`);
    expect(words).toContain('nothing was cut off or made anew');
    expect(words).toMatch(/\d+ CONFIRMED/);
  });

  test('verifies the part about one terminal', async () => {
    const { rows } = await client.query<{ id: string; entries: string }>(
      `select t.id, (select count(*)::text from audit_event where terminal_id = t.id) as entries from terminal t limit 1`,
    );
    const bundle = await exportBundle({ terminal: rows[0]!.id });
    expect(await verify(bundle, false)).toEqual({
      exitCode: 0,
      words: expect.stringContaining(`${rows[0]!.entries} of them are in this bundle`),
    });
  });

  test('an empty part is one, too', async () => {
    const bundle = await exportBundle({ until: '2001-01-01T00:00:00Z' });
    expect(await verify(bundle, false)).toMatchObject({ exitCode: 0 });
  });

  test('a name is put in the place of another', () =>
    attack(`update person_name set name = 'Mallory'`, async () => {
      expect(await verify(await exportBundle({ names: true }))).toEqual({
        exitCode: 18,
        words: expect.stringContaining('the commitment is to another name'),
      });
    }));

  test.each([
    [
      'an entry is edited',
      18,
      `${singleEntries}; update log_entries set entries = overlay(entries placing 'x' from 20) where first_index = 3`,
    ],
    ['an entry is deleted', 19, `${singleEntries}; delete from log_entries where first_index = 3`],
    ['the last entries are deleted', 21, `${singleEntries}; delete from log_entries where first_index > 10`],
    ['all entries are deleted', 21, 'truncate log_entries'],
    [
      'two entries change places',
      18,
      `${singleEntries}; update log_entries set first_index = -1 where first_index = 3;
       update log_entries set first_index = 3 where first_index = 4;
       update log_entries set first_index = 4 where first_index = -1`,
    ],
    [
      'an entry is put in, and the others move on',
      18,
      `${singleEntries}; update log_entries set first_index = -first_index - 2 where first_index > 3;
       update log_entries set first_index = -first_index - 1 where first_index < 0;
       insert into log_entries select 4, event_ids, event_span, entries from log_entries where first_index = 3`,
    ],
    [
      'the leaf hashes are edited',
      11,
      `update log_tile set bytes = overlay(bytes placing '\\x00' from 1) where level = 0`,
    ],
    ['the leaf hashes are deleted', 11, 'truncate log_tile'],
    [
      'an entry and its leaf hash are edited',
      11,
      `${singleEntries}; update log_entries set entries = '\\x0002' || '{}'::bytea where first_index = 3;
       update log_tile set bytes = overlay(bytes placing sha256('\\x00' || '{}'::bytea) from 97) where level = 0`,
    ],
    [
      'the tail is cut off with its checkpoint',
      21,
      `delete from log_checkpoint where size > 1;
       insert into log_checkpoint (size, note) select size, note from saved_log_checkpoint order by size limit 1
       on conflict do nothing`,
    ],
  ])('%s: %d', async (_, exitCode, sql) => {
    await attack(sql, async () => expect(await verify(await exportBundle())).toMatchObject({ exitCode }));
  });

  test('an audit event that is edited, deleted or slipped in leaves the history as it was', async () => {
    const sql = `update audit_event set actor = 'nobody' where id = 3; delete from audit_event where id = 4;
      insert into audit_event (type, actor) values ('test.slipped-in', 'nobody')`;
    await attack(sql, async () => {
      const bundle = await exportBundle();
      expect(await verify(bundle)).toMatchObject({ exitCode: 0 });
      expect(readFileSync(join(bundle, `tile/entries/000.p/${sizeOf(bundle)}`), 'utf8')).not.toContain(
        'nobody',
      );
    });
  });

  test('the log is made anew from an edited table: a fork, shown by the kept checkpoint alone', async () => {
    const sql = `truncate log_entries, log_tile, log_checkpoint, log_cosignature, audit_unsealed; update log_head set size = 0;
      update audit_event set actor = 'nobody' where id = 3;
      insert into audit_unsealed (event_ids) select array_agg(id order by id) from audit_event`;
    const before = await exportBundle();
    await attack(sql, async () => {
      await allSealed(); // by the sealer itself, signed by the key in the HSM
      const bundle = await exportBundle();
      expect(await verify(bundle, false)).toMatchObject({ exitCode: 0 });
      expect(await verify(bundle)).toMatchObject({ exitCode: 12 });
      // Two checkpoints of one size, both signed: the proof of misbehaviour.
      expect(sizeOf(bundle)).toBe(sizeOf(before));
      const trusted = [parseVerifierKey(key)];
      const [one, other] = [before, bundle].map(
        (at) => openNote(readFileSync(join(at, 'checkpoint')), trusted).text,
      );
      expect(one).not.toBe(other);
      writeFileSync(previous, readFileSync(join(before, 'checkpoint')));
      expect(await verify(bundle)).toMatchObject({
        exitCode: 12,
        words: expect.stringContaining('two checkpoints'),
      });
    });
  });

  describe('with a witness', () => {
    interface Witnesses {
      size: number;
      finalSize: number | null;
      witnesses: { state: string; detail: string; size: number }[];
    }
    const standing = () => stack.api.get<Witnesses>('/log/witnesses');
    const untilState = (state: string) =>
      stack.until(`the witness ${state}`, async () => (await standing()).witnesses[0]!.state === state);
    /** Everything is as it was, and the log goes on. */
    const goOn = async () => {
      await client.query(`insert into audit_event (type, actor) values ('test.later', 'test')`);
      await untilState('AGREES');
    };
    const openIncidents = async () => {
      const { rows } = await client.query<{ kind: string; detail: object }>(
        `select kind, detail from incident where kind = 'LOG_CONTRADICTED' order by opened_at`,
      );
      return rows;
    };
    const verifyWitnessed = async (bundle: string, trusted: WitnessProcess[], quorum: number) => {
      const keys = trusted.map((one) => one.key);
      const { exitCode, words } = await verifyBundle.run({ bundle, key, previous, witness: keys, quorum });
      const options = ['--key', key, '--previous', previous, '--quorum', String(quorum)];
      for (const one of keys) options.push('--witness', one);
      if (hasSecondVerifier) expect(secondVerdicts([bundle], options)).toMatchObject([{ exitCode }]);
      return { exitCode, words: words() };
    };

    test('that is away nothing is final, and nothing else waits', async () => {
      expect(await standing()).toMatchObject({
        finalSize: null,
        quorum: 1,
        witnesses: [{ state: 'AWAY', size: 0 }, { state: 'AWAY' }],
      });
      await expect(stack.api.get('/log/final-checkpoint')).rejects.toThrow(/LOG_NOT_FINAL|404/);
    });

    test('the log as it is becomes final, and a bundle shows who cosigned it', async () => {
      await witness.start(key);
      await untilState('AGREES');
      await stack.until('the newest is final', async () => {
        const { size, finalSize } = await standing();
        return size === finalSize;
      });
      const bundle = await exportBundle({ final: true });
      expect(await verifyWitnessed(bundle, [witness, absent], 1)).toEqual({
        exitCode: 0,
        words: expect.stringContaining(
          'cosigned that, each of them having seen the log only grow: auditor.example/w1',
        ),
      });
      expect(await verifyWitnessed(bundle, [witness, absent], 2)).toMatchObject({ exitCode: 17 });
      expect(await verifyWitnessed(bundle, [absent], 1)).toMatchObject({ exitCode: 17 });
    });

    test('cosignatures that are deleted come back', async () => {
      await client.query('set session_replication_role = replica');
      await client.query('truncate log_cosignature');
      await client.query('set session_replication_role = origin');
      await stack.until('the newest is final', async () => {
        const { size, finalSize } = await standing();
        return size === finalSize;
      });
    });

    test('the log is made anew: the witness says FORK and keeps both checkpoints; the KDH opens an incident', async () => {
      const sql = `truncate log_entries, log_tile, log_checkpoint, log_cosignature, audit_unsealed;
        update log_head set size = 0; update audit_event set actor = 'nobody' where id = 3;
        insert into audit_unsealed (event_ids) select array_agg(id order by id) from audit_event`;
      await attack(sql, async () => {
        await untilState('CONTRADICTS');
        expect(witness.log).toMatch(/kdh\.local\.\w+: FORK: it has signed two checkpoints of \d+ entries/);
        expect(await openIncidents()).toEqual([
          {
            kind: 'LOG_CONTRADICTED',
            detail: { witness: 'auditor.example/w1', finding: expect.stringMatching(/^FORK: /) },
          },
        ]);
        const { rows } = await client.query(
          `select body from audit_event where type = 'incident.opened' and body ->> 'kind' = 'LOG_CONTRADICTED'`,
        );
        expect(rows).toHaveLength(1);
        const [incident] = await stack.api.get<{ id: string }[]>('/incidents?state=OPEN');
        const decide = (decision: string) =>
          stack.api.post(`/incidents/${incident!.id}/decide`, { decision, reason: 'a test attacked it' });
        await expect(decide('LOAD_AGAIN')).rejects.toThrow('it is about the log');
        expect(await decide('SETTLED')).toMatchObject({ kind: 'LOG_CONTRADICTED', terminalId: null });
        await allSealed();
        expect((await standing()).finalSize).toBeNull();
        expect(await verifyWitnessed(await exportBundle(), [witness], 1)).toMatchObject({ exitCode: 17 });
        const { latest, fork } = [...readState(witness.stateFile).state.logs.values()][0]!;
        const trusted = [parseVerifierKey(key)];
        const [one, other] = [latest.note, fork!].map((note) => openNote(note, trusted).text);
        expect(one!.split('\n')[1]).toBe(other!.split('\n')[1]);
        expect(one).not.toBe(other);
      });
      await goOn();
    });

    test('an old backup is restored: the witness says OLDER, and UNPROVEN once that log has grown anew', async () => {
      const size = sizeOf(await exportBundle()) - 3n;
      const sql = `${singleEntries}; delete from log_entries where first_index >= ${size}; update log_head set size = ${size};
        update log_tile set bytes = substring(bytes from 1 for ${32n * size}) where level = 0;
        truncate log_cosignature, log_checkpoint, audit_unsealed;
        delete from audit_event where id not in (select unnest(event_ids) from log_entries)`;
      await attack(sql, async () => {
        await untilState('CONTRADICTS');
        expect((await openIncidents()).at(-1)).toMatchObject({
          detail: {
            finding: expect.stringMatching(/^OLDER: it has cosigned \d+ entries, and this log has \d+/),
          },
        });
        expect(witness.log).toMatch(/: OLDER: it shows \d+ entries, after \d+ were cosigned/);
        await client.query(
          `insert into audit_event (type, actor) select 'test.other', 'test' from generate_series(1, 9)`,
        );
        await stack.until('the witness sees it', () => witness.log.includes(': UNPROVEN: '));
      });
      await goOn();
    });
  });

  test('an event that was taken from the sealer shows as a gap, once the log goes on without it', async () => {
    const { rows } = await client.query<{ id: string; attempts: number }>(
      'select id, attempts_made as attempts from terminal limit 1',
    );
    const [{ id, attempts }] = rows as [(typeof rows)[number]];
    await client.query(
      `insert into audit_event (type, actor, terminal_id, attempt_id, body)
       values ('attempt.requested', 'test', $1, gen_random_uuid(), $2)`,
      [id, { kind: 'KEYS', number: attempts + 2 }], // the one between was never logged
    );
    await allSealed();
    expect(await verify(await exportBundle())).toMatchObject({ exitCode: 14 });
  });
});
