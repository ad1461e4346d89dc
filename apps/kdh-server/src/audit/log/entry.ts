import { canonicalJson, type JsonValue } from '@openkdh/transparency-log';

/** An audit event as the database holds it. */
export interface StoredEvent {
  id: bigint;
  /** RFC 3339 with microseconds, UTC. */
  time: string;
  type: string;
  actor: string;
  terminalId: string | null;
  attemptId: string | null;
  body: { [name: string]: JsonValue };
}

/** Version of the entry format. docs/audit-log.md. */
const ENTRY_VERSION = 1;

/** The entry of the log that an event becomes: canonical JSON (RFC 8785), without members that have no value. */
export function entryOf(event: StoredEvent): Uint8Array {
  return canonicalJson({
    v: ENTRY_VERSION,
    id: event.id.toString(),
    time: event.time,
    type: event.type,
    actor: event.actor,
    ...(event.terminalId && { terminal: event.terminalId }),
    ...(event.attemptId && { attempt: event.attemptId }),
    body: event.body,
  });
}
