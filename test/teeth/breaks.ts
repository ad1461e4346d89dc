/** A rule broken on purpose, and the test that must notice. */
export interface Break {
  /** The rule, as the break leaves it. */
  rule: string;
  file: string;
  /** Pieces of the source, each there exactly once, and what comes in their place. */
  edits: [find: string, replace: string][];
  test: {
    file: string;
    /** As `jest -t` takes it. */
    name: string;
    /** It runs kdh-server from dist. */
    needsBuild?: true;
  };
}

const server = 'apps/kdh-server/src';
const matrix = (name: string): Break['test'] => ({
  file: 'test/e2e/crash-matrix-postgres.e2e.ts',
  name,
  needsBuild: true,
});
const interleaving = (name: string): Break['test'] => ({
  file: 'test/e2e/interleavings.e2e.ts',
  name,
  needsBuild: true,
});

export const breaks: Break[] = [
  {
    rule: 'a KSN that was handed out is not kept',
    file: `${server}/keys/ksn-allocator.ts`,
    edits: [['[used.map(({ id }) => id), used.map(({ nextDevice }) => nextDevice)]', '[[], []]']],
    test: matrix('ksn.reserve, after'),
  },
  {
    rule: 'the HSM is asked before the intent is committed',
    file: `${server}/loads/derive-worker.ts`,
    edits: [
      [
        'const attempts = await this.intend(await this.reserve(ids));',
        `const early = await this.reserve(ids);
    const held = groupRows(await readReservedKeys(this.database, ids), (key) => key.attemptId);
    await Promise.all(
      early.map((attempt) => failpoint('hsm.request', () => this.wrap({ ...attempt, keys: held.get(attempt.id) ?? [] }))),
    );
    const attempts = await this.intend(early);`,
      ],
    ],
    test: matrix('hsm.request, after'),
  },
  {
    rule: 'bytes leave before SENT is committed',
    file: `${server}/loads/dispatcher.ts`,
    edits: [
      [
        `return items.map(({ attemptId, session }, index) =>
        moved.has(attemptId) && moves[index]?.sentEpoch !== undefined
          ? messageOf(rows.get(attemptId) as DispatchRow, keysOf(attemptId), session)
          : undefined,
      );`,
        `for (const [index, { attemptId, session }] of items.entries()) {
        if (moved.has(attemptId) && moves[index]?.sentEpoch !== undefined) {
          session.send(messageOf(rows.get(attemptId) as DispatchRow, keysOf(attemptId), session));
        }
      }
      return items.map(() => undefined);`,
      ],
    ],
    test: matrix('sent.commit, before'),
  },
  {
    rule: 'LOAD_ACK leaves before the result is committed',
    file: `${server}/sessions/sessions.gateway.ts`,
    edits: [
      [
        'const { verdict, ack } = await this.results.record(live, result);',
        `connection.send({ t: 'LOAD_ACK', b: { attempt: result.attempt, verdict: 'ACCEPTED' } }, id);
    const { verdict, ack } = await this.results.record(live, result);`,
      ],
    ],
    test: matrix('confirm.commit, before'),
  },
  {
    rule: 'what is sent is not checked again when it is sent',
    file: `${server}/loads/dispatcher.ts`,
    edits: [['frozenBdk: keysOf(attemptId).some((key) => key.frozenBdk),', 'frozenBdk: false,']],
    test: interleaving('a BDK is frozen while a load waits'),
  },
  {
    rule: 'a freeze does not wait for a send that is being committed',
    file: `${server}/loads/dispatcher.ts`,
    edits: [['(select bdk_id from keys) order by id for share', '(select bdk_id from keys) order by id']],
    test: interleaving('a BDK is frozen while SENT is committed'),
  },
  {
    rule: 'whoever sends a load does not wait for its session',
    file: `${server}/loads/dispatcher.ts`,
    edits: [['for share of t, s', 'for share of t']],
    test: interleaving('a session is being closed by another node'),
  },
  {
    rule: 'a newer session does not wait for what the older one sends',
    file: `${server}/loads/dispatcher.ts`,
    edits: [[' order by t.id for share of t, s', ' order by t.id']],
    test: interleaving('a terminal comes back while its load is being sent'),
  },
  {
    rule: 'blocks are stored by state alone, not by version',
    file: `${server}/loads/attempt-store.ts`,
    edits: [[' and a.version = m.version', '']],
    test: interleaving('the HSM answers a worker after another has derived again'),
  },
  {
    rule: 'any session of a terminal may send, not only the newest',
    file: `${server}/loads/dispatch-rules.ts`,
    edits: [['if (check.currentEpoch !== check.sessionEpoch) return { send: false };', '']],
    test: { file: `${server}/loads/dispatch-rules.spec.ts`, name: 'a newer session exists' },
  },
  {
    rule: 'a closed connection removes whatever session its terminal has',
    file: `${server}/sessions/session-registry.ts`,
    edits: [['if (current?.epoch !== session.epoch) return false;', '']],
    test: {
      file: `${server}/sessions/session-registry.spec.ts`,
      name: 'a close that comes late does not remove',
    },
  },
  {
    rule: 'CONFIRMED without a look at the KCV',
    file: `${server}/loads/result.ts`,
    edits: [
      ["if (!sameCheckValue(slot.kcv, key.kcv)) return { kind: 'differ', reasonCode: 'KCV_MISMATCH' };", ''],
    ],
    test: { file: `${server}/loads/result.spec.ts`, name: 'KCV' },
  },
  {
    rule: 'once wrapped, an attempt may derive again',
    file: `${server}/loads/attempt.ts`,
    edits: [["on: { release: 'DISPATCHABLE',", "on: { derive: 'DERIVING', release: 'DISPATCHABLE',"]],
    test: { file: `${server}/loads/attempt.spec.ts`, name: 'rule \\(c\\)' },
  },
  {
    rule: 'a late result revives an attempt that has expired',
    file: `${server}/loads/attempt.ts`,
    edits: [
      [
        "EXPIRED: { owner: 'none', deadlineSeconds: null, on: {} },",
        "EXPIRED: { owner: 'none', deadlineSeconds: null, on: { receiveResult: 'RESULT_RECEIVED' } },",
      ],
    ],
    test: { file: `${server}/loads/attempt.spec.ts`, name: 'rule \\(e\\)' },
  },
  {
    rule: 'a second derivation has the version of the first',
    file: `${server}/loads/attempt.ts`,
    edits: [
      ['version: attempt.version + 1,', "version: attempt.version + (attempt.state === 'DERIVING' ? 0 : 1),"],
    ],
    test: { file: `${server}/loads/attempt.spec.ts`, name: 'a second derivation' },
  },
  {
    rule: 'key blocks of attempts that have ended are kept',
    file: `${server}/loads/attempt-store.ts`,
    edits: [['set key_block = null, burned', 'set burned']],
    test: { file: 'test/e2e/load.e2e.ts', name: 'every terminal holds', needsBuild: true },
  },
  {
    rule: 'results count whoever signed them',
    file: `${server}/sessions/sessions.gateway.ts`,
    edits: [
      [
        "if (!verify('sha256', signed, live.signingKey, Buffer.from(result.signature, 'base64'))) {",
        "if (!verify('sha256', signed, live.signingKey, Buffer.from(result.signature, 'base64')) && !live) {",
      ],
    ],
    test: { file: 'test/e2e/refusals.e2e.ts', name: 'wrong-signature is refused', needsBuild: true },
  },
  {
    rule: 'a database that forgets commits is good enough',
    file: `${server}/database/boot-checks.ts`,
    edits: [["synchronous_commit: (value) => value !== 'off',", 'synchronous_commit: () => true,']],
    test: { file: 'test/e2e/database.e2e.ts', name: 'a database that may forget' },
  },
  {
    rule: 'an attempt that one BDK refuses takes a KSN of another',
    file: `${server}/keys/allocation.ts`,
    edits: [
      [
        "if (bdk?.state !== 'ACTIVE') return { refusal: 'BDK_FROZEN' };",
        "if (bdk?.state !== 'ACTIVE') {\n        for (const other of wanted) if (other?.state === 'ACTIVE') takeKsn(other);\n        return { refusal: 'BDK_FROZEN' };\n      }",
      ],
    ],
    test: { file: `${server}/keys/allocation.spec.ts`, name: 'a frozen BDK refuses the attempt' },
  },
  {
    rule: 'a database that has gone back is good enough',
    file: `${server}/keys/high-water-mark.ts`,
    edits: [['    return known < device ?', '    return known < 0n ?']],
    test: { file: `${server}/keys/high-water-mark.spec.ts`, name: 'a BDK has gone back' },
  },
  {
    rule: 'a server starts on a database that has gone back',
    file: `${server}/keys/high-water-guard.ts`,
    edits: [['if (found.length > 0) throw new RestoredDatabaseError(found);', '']],
    test: { file: 'test/e2e/restore.e2e.ts', name: 'F23', needsBuild: true },
  },
  {
    rule: 'an incident can be decided twice',
    file: `${server}/incidents/incidents.service.ts`,
    edits: [['if (incident.decision) throw new', "if (incident.decision === '') throw new"]],
    test: { file: 'test/e2e/decisions.e2e.ts', name: 'a fleet whose BDK', needsBuild: true },
  },
  {
    rule: 'only the node that was asked hears of a revocation',
    file: `${server}/terminals/terminal-state.ts`,
    edits: [
      ["await signal(sql, 'barred',", "await signal(sql, 'superseded',"],
      [
        "[{ terminalId: id, code: to === 'REVOKED' ? 'CERT_REVOKED' : 'SUSPENDED' }]",
        '[{ terminalId: id, epoch: 0 }]',
      ],
    ],
    test: { file: 'test/e2e/nodes.e2e.ts', name: 'revoked on one node', needsBuild: true },
  },
  {
    rule: 'sessions of a node that is gone stay open',
    file: `${server}/loads/sweeper.ts`,
    edits: [['await closeOrphanedSessions(this.database, this.actor);', 'void closeOrphanedSessions;']],
    test: { file: 'test/e2e/nodes.e2e.ts', name: 'on a node that was killed', needsBuild: true },
  },
  {
    rule: 'a node does the work of all roles',
    file: `${server}/app.module.ts`,
    edits: [
      ['...config.KDH_ROLES.flatMap((role) => modulesOf[role]),', '...Object.values(modulesOf).flat(),'],
    ],
    test: { file: 'test/e2e/roles.e2e.ts', name: 'only the api has the operator routes', needsBuild: true },
  },
  {
    rule: 'whoever was revoked may open a connection',
    file: `${server}/sessions/admission.ts`,
    edits: [
      [
        "if (known.certificateRevoked || known.state === 'REVOKED') throw new UpgradeRefusal('CERT_REVOKED');",
        '',
      ],
    ],
    test: { file: 'test/e2e/gateway.e2e.ts', name: 'a resumed TLS session', needsBuild: true },
  },
  {
    rule: 'silent connections from one address take every handshake',
    file: `${server}/sessions/intake.ts`,
    edits: [['      underWay >= gatewayLimits.handshakesInFlightPerAddress ||\n', '']],
    test: { file: 'test/e2e/gateway.e2e.ts', name: 'F26', needsBuild: true },
  },
  {
    rule: 'one address may connect without end',
    file: `${server}/sessions/intake.ts`,
    edits: [['!this.rates.take(address, now)', '(this.rates.take(address, now), false)']],
    test: { file: 'test/e2e/gateway.e2e.ts', name: 'above it connections are cut', needsBuild: true },
  },
  {
    rule: 'a terminal may come back without pause',
    file: `${server}/sessions/terminal-listener.ts`,
    edits: [
      [
        "if (!this.upgrades.take(terminal.terminalId, performance.now())) throw new UpgradeRefusal('BUSY');",
        '',
      ],
    ],
    test: {
      file: 'test/e2e/gateway.e2e.ts',
      name: 'a terminal that comes back without pause',
      needsBuild: true,
    },
  },
  {
    rule: 'a node that stops tells all terminals to come back at once',
    file: `${server}/sessions/terminal-listener.ts`,
    edits: [
      [
        'connection.live.kick(5001, 1012, Math.floor(Math.random() * 10_000));',
        'connection.live.kick(5001, 1012, 0);',
      ],
    ],
    test: { file: 'test/e2e/gateway.e2e.ts', name: 'a node that is stopped', needsBuild: true },
  },
  {
    rule: 'any token opens the metrics',
    file: `${server}/metrics/metrics.guard.ts`,
    edits: [
      [
        'if (expected !== undefined && timingSafeEqual(',
        "if (authorization.startsWith('Bearer ') || timingSafeEqual(",
      ],
    ],
    test: { file: 'test/e2e/metrics.e2e.ts', name: 'their token opens nothing else', needsBuild: true },
  },
  {
    rule: 'what the queue has lost is not queued anew',
    file: `${server}/loads/sweeper.ts`,
    edits: [['    await enqueue(sql, requeue);', '    await enqueue(sql, []);']],
    test: { file: 'test/e2e/redis.e2e.ts', name: 'F19: emptied', needsBuild: true },
  },
  {
    rule: 'entries are pruned without reading them back from the archive',
    file: `${server}/audit/archive/prune-archived.ts`,
    edits: [['if (!bundle || !isBundleOf(hashes, bundle))', 'if (!bundle)']],
    test: {
      file: 'test/e2e/log-archive.e2e.ts',
      name: 'a log with an archive', // its tests build on each other
      needsBuild: true,
    },
  },
  {
    rule: 'whatever the database has is archived, the entries of its tiles or not',
    file: `${server}/audit/archive/archive-bundles.ts`,
    edits: [['  if (!isRight(ours)) {', '  if (ours.length === 0) {']],
    test: {
      file: `${server}/audit/archive/archive-bundles.spec.ts`,
      name: 'an entry that was changed in the database',
    },
  },
  {
    rule: 'the sealer goes by ids: what commits late is never sealed',
    file: `${server}/audit/log/sealer.ts`,
    edits: [
      [
        'where e.id = any(array(select unnest(event_ids) from taken)) order by e.id',
        'where e.id > coalesce((select max(upper(event_span)) - 1 from log_entries), 0) order by e.id',
      ],
    ],
    test: {
      file: 'test/e2e/transparency-log.e2e.ts',
      name: 'an event that commits late',
      needsBuild: true,
    },
  },
  {
    rule: 'a witness cosigns a log that has become smaller',
    file: 'libs/transparency-log/src/witness.ts',
    edits: [["return { ...conflict, finding: 'OLDER' };", 'return { status: 200, signed };']],
    test: {
      file: 'libs/transparency-log/src/witness.spec.ts',
      name: 'a witness cosigns one history only, that never shrinks',
    },
  },
  {
    rule: 'an event keeps back the states that its move went through',
    file: `${server}/loads/attempt-store.ts`,
    edits: [['...(steps.length > 1 && { through: steps.slice(0, -1).map((step) => step.to) }),', '']],
    test: {
      file: 'test/e2e/transparency-log.e2e.ts',
      name: 'an entry says what the event says',
      needsBuild: true,
    },
  },
  {
    rule: 'the verifier judges where a move ends, not the states on its way',
    file: 'apps/cli/src/audit/attempt-rules.ts',
    edits: [['if (!successors[attempt.state]!', 'if (reached === state && !successors[attempt.state]!']],
    test: { file: 'test/e2e/audit-bundles.e2e.ts', name: 'through a way that begins elsewhere' },
  },
  {
    rule: 'the verifier lets a terminal skip attempts',
    file: 'apps/cli/src/audit/attempt-rules.ts',
    edits: [['this.#numbers.next(terminal,', 'this.#numbers.skipTo(terminal,']],
    test: { file: 'test/e2e/audit-bundles.e2e.ts', name: 'a terminal whose attempts skip a number' },
  },
  {
    rule: 'the verifier forgets the attempts that are in the temporary file',
    file: 'apps/cli/src/audit/requested-attempts.ts',
    edits: [['firstRepeatIn([...runs, new RunReader(rest)])', 'firstRepeatIn([new RunReader(rest)])']],
    test: {
      file: 'apps/cli/src/audit/requested-attempts.spec.ts',
      name: 'finds the first repeat',
    },
  },
];
