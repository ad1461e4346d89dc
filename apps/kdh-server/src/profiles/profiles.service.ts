import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { appendAuditEvents } from '../audit/audit-event.ts';
import { Database } from '../database/database.ts';
import { Problem, violates } from '../http/problem.ts';
import type { Operator } from '../operators/operators.ts';
import type { CreateProfile, Profile } from './profiles.schemas.ts';

const COLUMNS = `id, name, version, slots, created_at as "createdAt"`;

@Injectable()
export class ProfilesService {
  constructor(private readonly database: Database) {}

  async create(request: CreateProfile, by: Operator): Promise<Profile> {
    try {
      return await this.database.transaction(async (sql) => {
        const bdks = new Map(
          (
            await sql.query<{ id: string; algorithm: string; scheme: string }>(
              `select id, algorithm, scheme from bdk where id = any($1::uuid[]) and state <> 'DESTROYED'`,
              [request.slots.map((slot) => slot.bdkId)],
            )
          ).map((bdk) => [bdk.id, bdk]),
        );
        for (const slot of request.slots) {
          const bdk = bdks.get(slot.bdkId);
          if (!bdk) throw new Problem(422, 'BDK_UNKNOWN', `slot ${slot.slot}: no BDK has this id`);
          if (slot.algorithm !== initialKeyAlgorithm(bdk)) {
            throw new Problem(
              422,
              'SLOT_ALGORITHM',
              `slot ${slot.slot}: the initial key of this BDK is ${initialKeyAlgorithm(bdk)}`,
            );
          }
        }
        const [profile] = await sql.query<Profile>(
          `insert into profile (id, name, slots) values ($1, $2, $3) returning ${COLUMNS}`,
          [uuidv7(), request.name, JSON.stringify(request.slots)],
        );
        await appendAuditEvents(sql, [{ type: 'profile.created', actor: by.actor, body: { ...profile } }]);
        return profile as Profile;
      });
    } catch (error) {
      if (violates(error, 'profile_name'))
        throw new Problem(409, 'PROFILE_NAME_TAKEN', 'choose another name');
      throw error;
    }
  }

  list(): Promise<Profile[]> {
    return this.database.query<Profile>(`select ${COLUMNS} from profile order by id`);
  }
}

/** X9.24-3:2017 6.3.1: an AES initial key is as long as its BDK. X9.24-1:2009 A.6: a TDES one has 16 bytes. */
function initialKeyAlgorithm(bdk: { algorithm: string; scheme: string }): string {
  return bdk.scheme === 'AES' ? bdk.algorithm : 'T2';
}
