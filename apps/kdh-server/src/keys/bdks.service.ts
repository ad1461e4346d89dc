import { Inject, Injectable } from '@nestjs/common';
import type { Hsm, WrappedKey } from '@openkdh/hsm-client';
import { v7 as uuidv7 } from 'uuid';
import { appendAuditEvents } from '../audit/audit-event.ts';
import { Database } from '../database/database.ts';
import { HSM } from '../hsm/hsm.ts';
import { Problem, violates } from '../http/problem.ts';
import type { Operator } from '../operators/operators.ts';
import type { Bdk, CreateBdk } from './bdks.schemas.ts';
import { bdkIdHexDigits, type DukptScheme, lastDevice, mostDevices } from './ksn.ts';

/** Device numbers have at most 32 bits: JSON numbers hold them. */
const COLUMNS = `id, name, scheme, algorithm, bdk_id as "bdkId", kcv, state, next_device::float8 as "nextDevice",
  max_devices::float8 as "maxDevices", segment, created_at as "createdAt"`;

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

  list(): Promise<Bdk[]> {
    return this.database.query<Bdk>(`select ${COLUMNS} from bdk order by id`);
  }

  /** After the commit nothing of this BDK is derived or sent (I9). */
  async setState(id: string, state: 'ACTIVE' | 'FROZEN', reason: string, by: Operator): Promise<Bdk> {
    return this.database.transaction(async (sql) => {
      const [bdk] = await sql.query<Bdk>(`update bdk set state = $2 where id = $1 returning ${COLUMNS}`, [
        id,
        state,
      ]);
      if (!bdk) throw new Problem(404, 'BDK_UNKNOWN', 'no BDK has this id');
      if (state === 'FROZEN') sql.commitsAs('freeze.commit');
      const type = state === 'FROZEN' ? 'bdk.frozen' : 'bdk.released';
      await appendAuditEvents(sql, [{ type, actor: by.actor, body: { id, reason } }]);
      return bdk;
    });
  }

  /** How many initial keys a BDK may give: a limit that a person set, hence a person's to change, with a reason. */
  async changeMaxDevices(id: string, maxDevices: number, reason: string, by: Operator): Promise<Bdk> {
    return this.database.transaction(async (sql) => {
      const [bdk] = await sql.query<{ scheme: DukptScheme; nextDevice: bigint; maxDevices: bigint }>(
        `select scheme, next_device as "nextDevice", max_devices as "maxDevices" from bdk where id = $1
         for no key update`,
        [id],
      );
      if (!bdk) throw new Problem(404, 'BDK_UNKNOWN', 'no BDK has this id');
      const given = bdk.nextDevice - 1n;
      if (maxDevices < given || maxDevices > mostDevices[bdk.scheme]) {
        throw new Problem(
          409,
          'BDK_MAX_DEVICES',
          `expected ${given}, as many as it has given, to ${mostDevices[bdk.scheme]}`,
        );
      }
      const [changed] = await sql.query<Bdk>(
        `update bdk set max_devices = $2 where id = $1 returning ${COLUMNS}`,
        [id, maxDevices],
      );
      const body = { id, from: Number(bdk.maxDevices), to: maxDevices, reason };
      await appendAuditEvents(sql, [{ type: 'bdk.max-devices-changed', actor: by.actor, body }]);
      return changed as Bdk;
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
