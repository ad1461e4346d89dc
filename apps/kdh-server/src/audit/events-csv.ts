import type { Columns } from '../http/csv.ts';
import type { EventRecord } from './events.schemas.ts';

export const eventColumns: Columns<EventRecord> = {
  names: ['id', 'leaf_index', 'time', 'type', 'actor', 'terminal', 'attempt_id', 'body'],
  rowsOf: (event) => [
    [
      event.id,
      event.leafIndex,
      event.time,
      event.type,
      event.actor,
      event.terminal,
      event.attemptId,
      JSON.stringify(event.body),
    ],
  ],
};
