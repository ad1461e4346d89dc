import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { Database, type Sql } from '../database/database.ts';
import { Problem, violates } from '../http/problem.ts';
import { asRecorded, withNames } from '../operators/person-names.ts';
import type { SavedSearch, SaveSearch } from './saved-searches.schemas.ts';

const COLUMNS = 'id, name, subject, filters, created_at as "createdAt"';

/** More than a person keeps. */
const MOST_SEARCHES = 200;

/** Each person's own searches, unseen by others. They are no part of the history, so an auditor may keep some. */
@Injectable()
export class SavedSearchesService {
  constructor(private readonly database: Database) {}

  async list(operatorId: string): Promise<SavedSearch[]> {
    const saved = await this.database.query<SavedSearch>(
      `select ${COLUMNS} from saved_search where operator_id = $1 order by name`,
      [operatorId],
    );
    return withNames(this.database, saved);
  }

  async save(operatorId: string, { name, subject, filters }: SaveSearch): Promise<SavedSearch> {
    const saved = await ifNameIsFree(
      this.database.query<SavedSearch>(
        `insert into saved_search (id, operator_id, name, subject, filters)
         select $1, $2, $3, $4, $5 where (select count(*) from saved_search where operator_id = $2) < $6
         returning ${COLUMNS}`,
        [uuidv7(), operatorId, name, subject, await recorded(this.database, filters), MOST_SEARCHES],
      ),
    );
    if (!saved)
      throw new Problem(409, 'SAVED_SEARCHES_FULL', `you keep ${MOST_SEARCHES} already; delete one`);
    return withNames(this.database, saved);
  }

  async change(operatorId: string, id: string, { name, subject, filters }: SaveSearch): Promise<SavedSearch> {
    const changed = await ifNameIsFree(
      this.database.query<SavedSearch>(
        `update saved_search set name = $3, subject = $4, filters = $5 where operator_id = $1 and id = $2
         returning ${COLUMNS}`,
        [operatorId, id, name, subject, await recorded(this.database, filters)],
      ),
    );
    return withNames(this.database, changed ?? unknown());
  }

  async delete(operatorId: string, id: string): Promise<void> {
    const gone = await this.database.query(
      'delete from saved_search where operator_id = $1 and id = $2 returning id',
      [operatorId, id],
    );
    if (gone.length === 0) unknown();
  }
}

/** Filters as JSON, the person in them as in the history: the name is kept in one table alone. */
async function recorded(sql: Pick<Sql, 'query'>, filters: SaveSearch['filters']): Promise<string> {
  const { person, actor }: { person?: string | undefined; actor?: string | undefined } = filters;
  return JSON.stringify({
    ...filters,
    ...(person && { person: await asRecorded(sql, person) }),
    ...(actor && { actor: await asRecorded(sql, actor) }),
  });
}

async function ifNameIsFree(writing: Promise<SavedSearch[]>): Promise<SavedSearch | undefined> {
  try {
    return (await writing)[0];
  } catch (error) {
    if (!violates(error, 'saved_search_name')) throw error;
    throw new Problem(
      409,
      'SAVED_SEARCH_NAME_TAKEN',
      'you have a search of this name; change or delete that one',
    );
  }
}

function unknown(): never {
  throw new Problem(404, 'SAVED_SEARCH_UNKNOWN', 'you have no saved search with this id');
}
