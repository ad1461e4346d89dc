import { migrateDatabase } from '../../apps/launcher/dist/migration.js';
import { Supervisor } from '../../apps/launcher/dist/supervisor.js';

const silent = { show() {}, say() {}, clear() {} };

/** Brings the database of `ownerUrl` up to date as `npm start` does, and returns the URL that kdh-server connects by. */
export function migrate(state, ownerUrl) {
  return migrateDatabase(state, ownerUrl, new Supervisor(state, silent.say), silent);
}
