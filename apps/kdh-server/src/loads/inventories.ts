import { Injectable, Logger } from '@nestjs/common';
import { type InventorySlot, inventoryDigest } from '@openkdh/terminal-protocol';
import { appendAuditEvents } from '../audit/audit-event.ts';
import { Database, type Sql } from '../database/database.ts';
import { openIncidents } from '../incidents/incident.ts';
import { type ConfirmedKey, compareInventory } from './inventory.ts';

/** What terminals say that they hold: kept, and compared with what was confirmed. A difference opens an incident. */
@Injectable()
export class Inventories {
  private readonly logger = new Logger('Inventories');

  constructor(private readonly database: Database) {}

  async record(terminal: { terminalId: string; serial: string }, slots: InventorySlot[]): Promise<void> {
    const { terminalId, serial } = terminal;
    const digest = inventoryDigest(slots);
    const differences = await this.database.transaction(async (sql) => {
      const changed = await sql.query(
        `update terminal set inventory = $2, inventory_digest = $3
         where id = $1 and inventory_digest is distinct from $3 returning 1`,
        [terminalId, JSON.stringify(slots), digest],
      );
      if (changed.length === 0) return [];
      const found = compareInventory(await readConfirmed(sql, terminalId), slots);
      const actor = `terminal:${serial}`;
      await appendAuditEvents(sql, [
        { type: 'terminal.inventory', actor, terminalId, body: { digest, differences: found } },
      ]);
      if (found.length > 0) {
        const detail = { differences: found };
        await openIncidents(sql, [{ kind: 'INVENTORY_MISMATCH', terminalId, actor, detail }]);
      }
      return found;
    });
    if (differences.length > 0) this.logger.warn({ event: 'inventory.differs', serial, differences });
  }
}

/** The newest confirmed key of each slot. */
function readConfirmed(sql: Sql, terminalId: string): Promise<ConfirmedKey[]> {
  return sql.query<ConfirmedKey>(
    `select distinct on (k.slot) k.slot, k.ksn, k.kcv_expected as kcv
     from attempt a join attempt_key k on k.attempt_id = a.id
     where a.terminal_id = $1 and a.state = 'CONFIRMED' order by k.slot, a.number desc`,
    [terminalId],
  );
}
