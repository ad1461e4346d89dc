import { Inject, Injectable } from '@nestjs/common';
import type { Hsm, WrappedKey } from '@openkdh/hsm-client';
import { v7 as uuidv7 } from 'uuid';
import { appendAuditEvents } from '../audit/audit-event.ts';
import { Database } from '../database/database.ts';
import { HSM } from '../hsm/hsm.ts';
import { Problem, violates } from '../http/problem.ts';
import type { Operator } from '../operators/operators.ts';
import type { Bdk, CreateBdk } from './bdks.schemas.ts';
import { bdkIdHexDigits, lastDevice } from './ksn.ts';

const COLUMNS = `id, name, scheme, algorithm, bdk_id as "bdkId", kcv, state, next_device::text as "nextDevice",
  last_device::text as "lastDevice", created_at as "createdAt"`;

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
    try {
      return await this.database.transaction(async (sql) => {
        const [bdk] = await sql.query<Bdk>(
          `insert into bdk (id, name, scheme, algorithm, key_block, kcv, bdk_id, last_device)
           values ($1, $2, $3, $4, $5, $6, $7, $8) returning ${COLUMNS}`,
          [
            id,
            request.name,
            request.scheme,
            request.algorithm,
            key.keyBlock,
            key.kcv,
            bdkId,
            lastDevice[request.scheme],
          ],
        );
        const body = { id, name: request.name, scheme: request.scheme, bdkId, kcv: key.kcv };
        const type = request.lmkKeyBlock ? 'bdk.registered' : 'bdk.generated';
        await appendAuditEvents(sql, [{ type, actor: `operator:${by.name}`, body }]);
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
      await appendAuditEvents(sql, [{ type, actor: `operator:${by.name}`, body: { id, reason } }]);
      return bdk;
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
