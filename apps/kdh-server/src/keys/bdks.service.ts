import { Inject, Injectable } from '@nestjs/common';
import type { Hsm, WrappedKey } from '@openkdh/hsm-client';
import { v7 as uuidv7 } from 'uuid';
import { appendAuditEvents } from '../audit/audit-event.ts';
import { Database, type Sql } from '../database/database.ts';
import { HSM } from '../hsm/hsm.ts';
import { Problem, violates } from '../http/problem.ts';
import type { Operator } from '../operators/operators.ts';
import { withNames } from '../operators/person-names.ts';
import type { Bdk, CreateBdk } from './bdks.schemas.ts';
import { bdkIdHexDigits, type DukptScheme, lastDevice, mostDevices } from './ksn.ts';

/** Device numbers have at most 32 bits: JSON numbers hold them. */
const COLUMNS = `id, name, scheme, algorithm, bdk_id as "bdkId", kcv, state, next_device::float8 as "nextDevice",
  max_devices::float8 as "maxDevices", segment, created_at as "createdAt", destruction_asked_by as "destructionAskedBy",
  destroyed_at as "destroyedAt"`;

/** BDKs: made in the HSM, kept here as LMK key blocks. */
@Injectable()
export class BdksService {
  constructor(
    @Inject(HSM) private readonly hsm: Hsm,
    private readonly database: Database,
  ) {}

  async create(request: CreateBdk, by: Operator): Promise<Bdk> {
    const key = request.lmkKeyBlock ? await this.adopt(request.lmkKeyBlock) : await this.generate(request);
    const digits = bdkIdHexDigits[request.scheme];
    const bdkId =
      request.bdkId ??
      Buffer.from(await this.hsm.random(digits / 2))
        .toString('hex')
        .toUpperCase();
    const id = uuidv7();
    const { segment, maxDevices = mostDevices[request.scheme] } = request;
    try {
      return await this.database.transaction(async (sql) => {
        const [bdk] = await sql.query<Bdk>(
          `insert into bdk (id, name, scheme, algorithm, key_block, kcv, bdk_id, last_device, max_devices, segment)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning ${COLUMNS}`,
          [
            id,
            request.name,
            request.scheme,
            request.algorithm,
            key.keyBlock,
            key.kcv,
            bdkId,
            lastDevice[request.scheme],
            maxDevices,
            JSON.stringify(segment),
          ],
        );
        const { name, scheme } = request;
        const body = { id, name, scheme, bdkId, kcv: key.kcv, maxDevices: Number(maxDevices), segment };
        const type = request.lmkKeyBlock ? 'bdk.registered' : 'bdk.generated';
        await appendAuditEvents(sql, [{ type, actor: by.actor, body }]);
        return bdk as Bdk;
      });
    } catch (error) {
      if (violates(error, 'bdk_name')) throw new Problem(409, 'BDK_NAME_TAKEN', 'choose another name');
      if (violates(error, 'bdk_scheme_bdk_id')) {
        throw new Problem(
          409,
          'BDK_ID_TAKEN',
          'this BDK id is in use: two BDKs with one id would share KSNs',
        );
      }
      throw error;
    }
  }

  async list(): Promise<Bdk[]> {
    return withNames(this.database, await this.database.query<Bdk>(`select ${COLUMNS} from bdk order by id`));
  }

  /** After the commit of FROZEN nothing of this BDK is derived or sent (I9). A release takes back that it is to be destroyed. */
  async setState(id: string, state: 'ACTIVE' | 'FROZEN', reason: string, by: Operator): Promise<Bdk> {
    return this.database.transaction(async (sql) => {
      await lockExisting(sql, id);
      if (state === 'FROZEN') sql.commitsAs('freeze.commit');
      const type = state === 'FROZEN' ? 'bdk.frozen' : 'bdk.released';
      await appendAuditEvents(sql, [{ type, actor: by.actor, body: { id, reason } }]);
      return update(
        sql,
        `state = $2, destruction_asked_by = case $2 when 'FROZEN' then destruction_asked_by end`,
        [id, state],
      );
    });
  }

  /** The first of the two people who destroy a BDK; the other one may be any operator. */
  async askDestruction(id: string, reason: string, by: Operator): Promise<Bdk> {
    return this.database.transaction(async (sql) => {
      await requireUnused(sql, await lockExisting(sql, id));
      await appendAuditEvents(sql, [
        { type: 'bdk.destruction-asked', actor: by.actor, body: { id, reason } },
      ]);
      return update(sql, 'destruction_asked_by = $2', [id, by.actor]);
    });
  }

  /**
   * Erases the block: no other copy of the key is in the KDH, and the HSM keeps none. The second person is refused if they are the
   * first one, by the database too.
   */
  async destroy(id: string, reason: string, by: Operator): Promise<Bdk> {
    return this.database.transaction(async (sql) => {
      const bdk = await lockExisting(sql, id);
      await requireUnused(sql, bdk);
      const { askedBy, kcv, sha256 } = bdk;
      if (askedBy === null)
        throw new Problem(409, 'BDK_DESTRUCTION_UNASKED', 'another person must ask for it first');
      if (askedBy === by.actor) throw new Problem(403, 'SECOND_PERSON', 'another person must do this');
      const body = { id, kcv, sha256, askedBy, reason };
      await appendAuditEvents(sql, [{ type: 'bdk.destroyed', actor: by.actor, body }]);
      return update(
        sql,
        `state = 'DESTROYED', key_block = null, key_block_sha256 = $3, destroyed_by = $2, destroyed_at = now()`,
        [id, by.actor, sha256],
      );
    });
  }

  /** How many initial keys a BDK may give: a limit that a person set, hence a person's to change, with a reason. */
  async changeMaxDevices(id: string, maxDevices: number, reason: string, by: Operator): Promise<Bdk> {
    return this.database.transaction(async (sql) => {
      const bdk = await lockExisting(sql, id);
      const given = bdk.nextDevice - 1n;
      if (maxDevices < given || maxDevices > mostDevices[bdk.scheme]) {
        throw new Problem(
          409,
          'BDK_MAX_DEVICES',
          `expected ${given}, as many as it has given, to ${mostDevices[bdk.scheme]}`,
        );
      }
      const body = { id, from: Number(bdk.maxDevices), to: maxDevices, reason };
      await appendAuditEvents(sql, [{ type: 'bdk.max-devices-changed', actor: by.actor, body }]);
      return update(sql, 'max_devices = $2', [id, maxDevices]);
    });
  }

  private generate({ algorithm }: CreateBdk): Promise<WrappedKey> {
    // S, not N: an initial key leaves the HSM no more freely than its BDK may
    return this.hsm.generateKey({ usage: 'B0', algorithm, modeOfUse: 'X', exportability: 'S' });
  }

  /** A key that a ceremony formed: the HSM must know it. */
  private async adopt(keyBlock: string): Promise<WrappedKey> {
    return { keyBlock, kcv: await this.hsm.checkValue(keyBlock) };
  }
}

interface LockedBdk {
  id: string;
  scheme: DukptScheme;
  state: Bdk['state'];
  kcv: string;
  nextDevice: bigint;
  maxDevices: bigint;
  askedBy: string | null;
  /** Of its block, hex in upper case. */
  sha256: string;
}

/** @throws Problem BDK_UNKNOWN, BDK_DESTROYED */
async function lockExisting(sql: Sql, id: string): Promise<LockedBdk> {
  const [bdk] = await sql.query<LockedBdk>(
    `select id, scheme, state, kcv, next_device as "nextDevice", max_devices as "maxDevices", destruction_asked_by as "askedBy",
       upper(encode(sha256(convert_to(key_block, 'UTF8')), 'hex')) as sha256
     from bdk where id = $1 for no key update`,
    [id],
  );
  if (!bdk) throw new Problem(404, 'BDK_UNKNOWN', 'no BDK has this id');
  if (bdk.state === 'DESTROYED') throw new Problem(409, 'BDK_DESTROYED', 'the BDK was destroyed');
  return bdk;
}

/** Frozen, and of no load that is under way: none can begin any more. @throws Problem BDK_NOT_FROZEN, BDK_IN_USE */
async function requireUnused(sql: Sql, { id, state }: LockedBdk): Promise<void> {
  if (state !== 'FROZEN') throw new Problem(409, 'BDK_NOT_FROZEN', 'freeze the BDK first');
  const [open] = await sql.query<{ id: string }>(
    `select a.id from attempt a join attempt_key k on k.attempt_id = a.id
     where a.outcome is null and k.bdk_id = $1 limit 1`,
    [id],
  );
  if (open) throw new Problem(409, 'BDK_IN_USE', `attempt ${open.id} is under way with a key of this BDK`);
}

async function update(sql: Sql, changes: string, parameters: unknown[]): Promise<Bdk> {
  const changed = await sql.query<Bdk>(
    `update bdk set ${changes} where id = $1 returning ${COLUMNS}`,
    parameters,
  );
  const [bdk] = await withNames(sql, changed);
  return bdk as Bdk;
}
