import { createHash } from 'node:crypto';
import { Inject, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { type Hsm, HsmError, type KeyAlgorithm, type LmkKeyBlock } from '@openkdh/hsm-client';
import { planHash as hashPlan } from '@openkdh/terminal-protocol';
import { v7 as uuidv7 } from 'uuid';
import { CONFIG, type Config } from '../config/config.ts';
import { Database, type Sql } from '../database/database.ts';
import { groupRows } from '../database/rows.ts';
import { signal } from '../database/signals.ts';
import { failpoint } from '../failpoints.ts';
import { HSM } from '../hsm/hsm.ts';
import type { Allocation } from '../keys/allocation.ts';
import { type DukptScheme, derivationInput, ksnOptionalBlock } from '../keys/ksn.ts';
import { reserveKsns } from '../keys/ksn-allocator.ts';
import { KdhCredential } from '../pki/kdh-credential.ts';
import { KBPK_AES, kbpkAlgorithms, type PlannedKey, planKeys } from '../profiles/profile.ts';
import { DERIVE_QUEUE, type DeriveJob, type DeriveQueue } from '../queue/queue.ts';
import { after, transition } from './attempt.ts';
import { applyMoves, attemptOf, lockAttempts, type Move } from './attempt-store.ts';
import { type ChunkAttempt, type ReservedKey, readChunk, readReservedKeys } from './chunk.ts';
import { ending } from './load-requests.ts';

/** A key as the HSM returned it: TR-31 text, or the TR-34 token of a first key. */
interface WrappedKey {
  position: number;
  slot: string;
  algorithm: KeyAlgorithm;
  ksn: string | null;
  kcv: string;
  keyBlock: string | null;
  header: string | null;
  token: Buffer | null;
  /** Of the key block or the token, in hex. */
  sha256: string;
  /** The key under the LMK, of a KBPK: it will wrap others. */
  lmkKeyBlock: LmkKeyBlock | null;
}

/** An attempt whose keys may be derived: the intent is committed. */
interface IntendedAttempt extends ChunkAttempt {
  keys: ReservedKey[];
}

/** HSM answers that another try will not change. */
const PERMANENT: ReadonlySet<string> = new Set(['HSM_REFUSED', 'HSM_UNSUPPORTED', 'HSM_BAD_REQUEST']);

/**
 * Steps 1 and 2 of a load (docs/design.md section 5) for a chunk of attempts: reserve KSNs, commit; write the intent,
 * commit; one HSM call for each key, pipelined; store the blocks, commit. Whatever a crash leaves in between, the next
 * worker finds in the database and goes on with.
 */
@Injectable()
export class DeriveWorker implements OnApplicationBootstrap {
  private readonly logger = new Logger('DeriveWorker');
  private readonly actor: string;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(HSM) private readonly hsm: Hsm,
    @Inject(DERIVE_QUEUE) private readonly queue: DeriveQueue,
    private readonly database: Database,
    private readonly credential: KdhCredential,
  ) {
    this.actor = `node:${config.KDH_NODE_ID}`;
  }

  onApplicationBootstrap(): void {
    this.queue.work((job) => failpoint('job.start', () => this.handle(job)));
  }

  /** A chunk that fails as a whole is worked attempt by attempt, so that one bad row cannot hold up its neighbours. */
  async handle({ attempts }: DeriveJob): Promise<void> {
    try {
      await this.work(attempts);
    } catch (error) {
      if (attempts.length === 1) throw error;
      this.logger.warn({ event: 'chunk.failed', attempts: attempts.length, msg: (error as Error).message });
      for (const attempt of attempts) await this.handle({ attempts: [attempt] });
    }
  }

  private async work(ids: string[]): Promise<void> {
    const attempts = await this.intend(await this.reserve(ids));
    if (attempts.length === 0) return;
    const wrapped = await Promise.all(
      attempts.map(async (attempt) => {
        try {
          return { attempt, keys: await failpoint('hsm.request', () => this.wrap(attempt)) };
        } catch (error) {
          return { attempt, error: error as Error };
        }
      }),
    );
    await this.store(wrapped);
  }

  /**
   * APPROVED → KSN_RESERVED, in a transaction of its own. Returns what can be derived now: that, what an earlier worker
   * left behind further on, and attempts of kind KBPK, which have no KSN.
   */
  private reserve(ids: string[]): Promise<ChunkAttempt[]> {
    return this.database.transaction(async (sql) => {
      const chunk = await readChunk(sql, ids);
      const attempts = chunk.filter((a) => a.state === 'APPROVED');
      const inactive = attempts.filter((a) => a.terminalState !== 'ACTIVE');
      const ready = attempts.filter(
        (a) => a.terminalState === 'ACTIVE' && a.kind === 'KEYS' && a.kbpks[KBPK_AES],
      );
      if (ready.length > 0) sql.commitsAs('ksn.reserve');
      const planned = ready.map((attempt) => ({
        attempt,
        keys: planKeys(attempt.slots, attempt.kbpks['KBPK-TDES'] !== undefined),
      }));
      const allocations = await reserveKsns(
        sql,
        planned.map(({ attempt, keys }) => ({
          model: attempt.model,
          bdkIds: keys.map((key) => key.bdkId).filter((id) => id !== null),
        })),
        this.actor,
      );
      const refused = new Map<string, string>();
      const rows = planned.flatMap(({ attempt, keys }, index) => {
        const allocation = allocations[index] as Allocation;
        if ('refusal' in allocation) {
          refused.set(attempt.id, allocation.refusal);
          return [];
        }
        const ksns = allocation.ksns.values();
        return keys.map((key, position) => ({
          attemptId: attempt.id,
          position,
          key,
          ksn: key.bdkId ? (ksns.next().value as string) : null,
        }));
      });
      await insertKeys(sql, rows);
      await applyMoves(sql, [
        ...inactive.map((a) => ending(attemptOf(a), 'cancel', this.actor, `TERMINAL_${a.terminalState}`)),
        ...ready.map((a): Move => {
          const refusal = refused.get(a.id);
          if (refusal) return ending(attemptOf(a), 'fail', this.actor, refusal);
          const ksns = rows.filter((row) => row.attemptId === a.id && row.ksn).map((row) => row.ksn);
          return { steps: [transition(attemptOf(a), 'reserveKsn')], actor: this.actor, body: { ksns } };
        }),
      ]);
      const reserved = ready.filter((a) => !refused.has(a.id));
      return [
        ...reserved.map((a) => ({ ...a, ...after(transition(attemptOf(a), 'reserveKsn')) })),
        ...attempts.filter((a) => a.terminalState === 'ACTIVE' && a.kind === 'KBPK'),
        ...chunk.filter((a) => a.state !== 'APPROVED'),
      ];
    });
  }

  /** → DERIVING: the intent is committed before the HSM is asked, so that no key leaves it unrecorded (I3). */
  private intend(attempts: ChunkAttempt[]): Promise<IntendedAttempt[]> {
    return this.database.transaction(async (sql) => {
      const ids = attempts.map((a) => a.id);
      await lockAttempts(sql, ids);
      const keys = groupRows(await readReservedKeys(sql, ids), (key) => key.attemptId);
      // A BDK may have been frozen since its KSNs were reserved (I9).
      const frozen = (id: string) => keys.get(id)?.some((key) => key.frozen) ?? false;
      const moves = attempts.map(
        (a): Move =>
          frozen(a.id)
            ? ending(attemptOf(a), 'cancel', this.actor, 'BDK_FROZEN')
            : {
                steps: [transition(attemptOf(a), 'derive')],
                actor: this.actor,
                body: { hsm: this.hsm.name },
              },
      );
      const moved = await applyMoves(sql, moves);
      if (moved.size > 0) sql.commitsAs('derive.intent');
      await insertKeys(
        sql,
        attempts
          .filter((a) => moved.has(a.id) && a.state === 'APPROVED')
          .map((a) => ({ attemptId: a.id, position: 0, key: FIRST_KEY, ksn: null })),
      );
      return attempts
        .map((a, index) => ({ ...a, ...after(moves[index]!.steps[0]), keys: keys.get(a.id) ?? [] }))
        .filter((a) => moved.has(a.id) && !frozen(a.id));
    });
  }

  private async wrap(attempt: IntendedAttempt): Promise<WrappedKey[]> {
    if (attempt.kind === 'KBPK') return [await this.wrapFirstKey(attempt)];
    const kbpks = new Map(Object.entries(attempt.kbpks));
    const wrapped: WrappedKey[] = [];
    for (const key of attempt.keys.filter((k) => k.usage === 'K1')) {
      const kbpk = await this.wrapKbpk(key, kbpks);
      kbpks.set(key.slot, kbpk.lmkKeyBlock as LmkKeyBlock);
      wrapped.push(kbpk);
    }
    wrapped.push(
      ...(await Promise.all(
        attempt.keys.filter((k) => k.usage === 'B1').map((key) => this.wrapInitialKey(key, kbpks)),
      )),
    );
    return wrapped;
  }

  private async wrapFirstKey(attempt: ChunkAttempt): Promise<WrappedKey> {
    const algorithm = kbpkAlgorithms[KBPK_AES];
    const key = await this.hsm.generateKey({ usage: 'K1', algorithm, modeOfUse: 'B', exportability: 'E' });
    const kdh = this.credential.current();
    const { token, kcv } = await this.hsm.exportTr34({
      key: key.keyBlock,
      kdhPrivateKey: kdh.privateKey,
      kdhCertificate: kdh.certificate,
      krdCertificate: attempt.krdCertificate as Buffer,
      nonce: attempt.terminalNonce as Buffer,
      crl: kdh.crl,
      versionId: 'D',
    });
    return {
      position: 0,
      slot: KBPK_AES,
      algorithm,
      ksn: null,
      kcv,
      keyBlock: null,
      header: null,
      token: Buffer.from(token),
      sha256: sha256(token),
      lmkKeyBlock: key.keyBlock,
    };
  }

  private async wrapKbpk(key: ReservedKey, kbpks: Map<string, LmkKeyBlock>): Promise<WrappedKey> {
    const kbpk = await this.hsm.generateKey({
      usage: 'K1',
      algorithm: key.algorithm,
      modeOfUse: 'B',
      exportability: 'E',
    });
    const exported = await this.hsm.exportKey({
      key: kbpk.keyBlock,
      kbpk: kbpks.get(key.wrappedUnder) as LmkKeyBlock,
      versionId: key.versionId,
    });
    return { ...wrappedOf(key, exported), lmkKeyBlock: kbpk.keyBlock };
  }

  private async wrapInitialKey(key: ReservedKey, kbpks: Map<string, LmkKeyBlock>): Promise<WrappedKey> {
    const scheme = key.scheme as DukptScheme;
    const ksn = key.ksn as string;
    const exported = await this.hsm.exportInitialKey({
      bdk: key.bdk as LmkKeyBlock,
      scheme,
      initialKsn: derivationInput(scheme, ksn),
      kbpk: kbpks.get(key.wrappedUnder) as LmkKeyBlock,
      versionId: key.versionId,
      algorithm: key.algorithm,
      optionalBlocks: [ksnOptionalBlock(scheme, ksn)],
      exportability: 'N',
    });
    return wrappedOf(key, exported);
  }

  /** DERIVING → WRAPPED → DISPATCHABLE with the blocks; from here on retries send the same bytes (rule c). */
  private async store(results: ({ attempt: ChunkAttempt } & ({ keys: WrappedKey[] } | { error: Error }))[]) {
    const moves: Move[] = [];
    const stored = new Map<string, { attempt: ChunkAttempt; keys: WrappedKey[] }>();
    for (const result of results) {
      const attempt = attemptOf(result.attempt);
      if ('error' in result) {
        const move = this.failure(result.attempt, result.error);
        if (move) moves.push(move);
        continue;
      }
      const stores = transition(attempt, 'storeBlocks');
      stored.set(attempt.id, result);
      moves.push({
        steps: [stores, transition(after(stores), 'release')],
        actor: this.actor,
        planHash: hashOf(result.keys),
        evidence: { hsm: this.hsm.name, node: this.config.KDH_NODE_ID },
        body: {
          keys: result.keys.map((key) => ({
            slot: key.slot,
            ksn: key.ksn,
            kcv: key.kcv,
            sha256: key.sha256,
          })),
        },
      });
    }
    await this.database.transaction(async (sql) => {
      await lockAttempts(
        sql,
        moves.map((move) => move.steps[0].attempt.id),
      );
      const moved = await applyMoves(sql, moves);
      if (moved.size > 0) sql.commitsAs('wrap.store');
      const released = [...stored.values()].filter(({ attempt }) => moved.has(attempt.id));
      await storeBlocks(sql, released);
      await signal(
        sql,
        'dispatchable',
        released.map(({ attempt }) => ({ attemptId: attempt.id, terminalId: attempt.terminalId })),
      );
    });
  }

  /** A refusal that will not change ends the attempt; anything else leaves it to the sweeper and a later worker. */
  private failure(attempt: ChunkAttempt, error: Error): Move | undefined {
    const code = error instanceof HsmError ? error.code : 'INTERNAL';
    const answer = error instanceof HsmError && error.answer ? `_${error.answer}` : '';
    this.logger.warn({
      event: 'derive.failed',
      attempt: attempt.id,
      code: `${code}${answer}`,
      msg: error.message,
    });
    if (!PERMANENT.has(code)) return undefined;
    return ending(attemptOf(attempt), 'fail', this.actor, `${code}${answer}`);
  }
}

const FIRST_KEY: PlannedKey = {
  slot: KBPK_AES,
  usage: 'K1',
  algorithm: kbpkAlgorithms[KBPK_AES],
  versionId: 'D',
  bdkId: null,
  wrappedUnder: KBPK_AES,
};

function wrappedOf(key: ReservedKey, exported: { keyBlock: string; kcv: string }): WrappedKey {
  return {
    position: key.position,
    slot: key.slot,
    algorithm: key.algorithm,
    ksn: key.ksn,
    kcv: exported.kcv,
    keyBlock: exported.keyBlock,
    header: headerText(exported.keyBlock),
    token: null,
    sha256: sha256(exported.keyBlock),
    lmkKeyBlock: null,
  };
}

/** The fixed header: what the transfer record shows of a block (PCI PIN 18-3). X9.143:2021 6.2: 16 characters. */
function headerText(keyBlock: string): string {
  return keyBlock.slice(0, 16);
}

function sha256(sent: string | Uint8Array): string {
  return createHash('sha256').update(sent).digest('hex').toUpperCase();
}

/** Hash of what will be sent: of the plan, or of the token of a first key. */
function hashOf(keys: WrappedKey[]): string {
  const [first] = keys;
  if (first?.token) return first.sha256;
  return hashPlan(
    keys.map((key) => ({
      slot: key.slot,
      tr31: key.keyBlock as string,
      ...(key.ksn && { ksn: key.ksn }),
      kcv: key.kcv,
      algorithm: key.algorithm,
    })),
  );
}

async function insertKeys(
  sql: Sql,
  rows: { attemptId: string; position: number; key: PlannedKey; ksn: string | null }[],
): Promise<void> {
  if (rows.length === 0) return;
  await sql.query(
    `insert into attempt_key (attempt_id, position, slot, usage, algorithm, version_id, bdk_id, ksn, wrapped_under)
     select * from unnest($1::uuid[], $2::smallint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::uuid[],
       $8::text[], $9::text[])`,
    [
      rows.map((row) => row.attemptId),
      rows.map((row) => row.position),
      rows.map((row) => row.key.slot),
      rows.map((row) => row.key.usage),
      rows.map((row) => row.key.algorithm),
      rows.map((row) => row.key.versionId),
      rows.map((row) => row.key.bdkId),
      rows.map((row) => row.ksn),
      rows.map((row) => row.key.wrappedUnder),
    ],
    'insert-keys',
  );
}

async function storeBlocks(sql: Sql, stored: { attempt: ChunkAttempt; keys: WrappedKey[] }[]): Promise<void> {
  const keys = stored.flatMap(({ attempt, keys }) => keys.map((key) => ({ attempt, key })));
  if (keys.length === 0) return;
  await sql.query(
    `update attempt_key k set key_block = s.key_block, header = s.header, key_block_sha256 = s.sha256,
       kcv_expected = s.kcv
     from unnest($1::uuid[], $2::smallint[], $3::text[], $4::text[], $5::text[], $6::text[])
       as s(attempt_id, position, key_block, header, sha256, kcv)
     where k.attempt_id = s.attempt_id and k.position = s.position`,
    [
      keys.map(({ attempt }) => attempt.id),
      keys.map(({ key }) => key.position),
      keys.map(({ key }) => key.keyBlock),
      keys.map(({ key }) => key.header),
      keys.map(({ key }) => key.sha256),
      keys.map(({ key }) => key.kcv),
    ],
    'store-blocks',
  );
  const tokens = keys.filter(({ key }) => key.token);
  if (tokens.length > 0) {
    await sql.query(
      'update attempt a set token = s.token from unnest($1::uuid[], $2::bytea[]) as s(id, token) where a.id = s.id',
      [tokens.map(({ attempt }) => attempt.id), tokens.map(({ key }) => key.token)],
    );
  }
  const kbpks = keys.filter(({ key }) => key.lmkKeyBlock);
  if (kbpks.length === 0) return;
  await sql.query(
    `insert into terminal_kbpk (id, terminal_id, slot, algorithm, key_block, kcv, attempt_id)
     select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::uuid[])`,
    [
      kbpks.map(() => uuidv7()),
      kbpks.map(({ attempt }) => attempt.terminalId),
      kbpks.map(({ key }) => key.slot),
      kbpks.map(({ key }) => key.algorithm),
      kbpks.map(({ key }) => key.lmkKeyBlock),
      kbpks.map(({ key }) => key.kcv),
      kbpks.map(({ attempt }) => attempt.id),
    ],
  );
}
