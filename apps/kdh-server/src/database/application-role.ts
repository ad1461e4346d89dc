import pg from 'pg';

type Privilege = 'select' | 'insert' | 'update' | 'delete';

/**
 * What kdh-server may do to each table, and no more: it connects as a role that owns nothing, so that whoever takes over
 * the process cannot rewrite the history. A lock on rows (`for update`, `for share`) needs `update`. A table that is not
 * named here stops the migration that makes it.
 */
export const privileges: Record<string, readonly Privilege[]> = {
  // The history and the log of it: added to and read.
  audit_event: ['select', 'insert'],
  log_identity: ['select', 'insert'],
  log_entries: ['select', 'insert'],
  log_checkpoint: ['select', 'insert'],
  log_cosignature: ['select', 'insert'],
  hsm_log_part: ['select', 'insert'],
  // The sealer's own: what waits for it, how far it and the archive are, and tiles whose last one grows.
  audit_unsealed: ['select', 'insert', 'delete'],
  log_head: ['select', 'update'],
  log_tile: ['select', 'insert', 'update'],
  log_archive: ['select', 'insert', 'update'],
  log_witness: ['select', 'insert', 'update'],

  operator: ['select', 'insert', 'update'],
  operator_session: ['select', 'insert', 'update'],
  person_name: ['select', 'insert', 'delete'], // erased, but never changed
  authority: ['select', 'insert'],
  revocation_list: ['select', 'insert', 'update'],
  bdk: ['select', 'insert', 'update'],
  profile: ['select', 'insert'],
  terminal: ['select', 'insert', 'update'],
  terminal_certificate: ['select', 'insert', 'update'],
  terminal_kbpk: ['select', 'insert', 'update'],
  terminal_session: ['select', 'insert', 'update'],
  attempt: ['select', 'insert', 'update'],
  attempt_key: ['select', 'insert', 'update'],
  attempt_approval: ['select', 'insert'],
  attempt_check_value: ['select', 'insert'],
  incident: ['select', 'insert', 'update'],
  saved_search: ['select', 'insert', 'update', 'delete'],
  outbox: ['select', 'insert', 'update', 'delete'],
  node: ['select', 'insert', 'update', 'delete'],
  migrations: ['select'],
};

/** Tables of which the application's role may change no row: boot-checks.ts refuses a role that may. */
export const appendOnlyTables = Object.keys(privileges).filter(
  (table) => !privileges[table]?.some((privilege) => privilege === 'update' || privilege === 'delete'),
);

/**
 * Makes the role of `applicationUrl`, or gives it the password there, unless it can connect already; this needs an owner
 * with CREATEROLE. Called by `migrate`.
 */
export async function ensureApplicationRole(owner: pg.ClientBase, applicationUrl: string): Promise<void> {
  const application = new pg.Client({ connectionString: applicationUrl });
  try {
    await application.connect();
    return;
  } catch {
    // Not there yet, or with another password.
  } finally {
    await application.end();
  }
  const { user, password } = application;
  const found = await owner.query('select 1 from pg_roles where rolname = $1', [user]);
  await owner.query(
    `${found.rowCount === 0 ? 'create' : 'alter'} role ${pg.escapeIdentifier(user ?? '')}
     login nosuperuser nocreatedb nocreaterole password ${pg.escapeLiteral(String(password))}`,
  );
}

/** Gives `role` its {@link privileges}, and takes away all others; in the caller's transaction. */
export async function grantPrivileges(
  query: (text: string) => Promise<{ name: string }[]>,
  role: string,
): Promise<void> {
  const tables = await query(`select tablename as name from pg_tables where schemaname = 'public'`);
  const sequences = await query(
    `select sequencename as name from pg_sequences where schemaname = 'bullmq' and sequenceowner = current_user`,
  );
  const to = pg.escapeIdentifier(role);
  const grants = tables.map(({ name }) => {
    const granted = privileges[name];
    if (!granted) {
      throw new Error(
        `table ${name} has no line in privileges (apps/kdh-server/src/database/application-role.ts)`,
      );
    }
    return `grant ${granted.join()} on public.${pg.escapeIdentifier(name)} to ${to};`;
  });
  await query(`
    revoke all on all tables in schema public from ${to};
    ${grants.join('\n')}
    grant usage on schema public to ${to};
    grant usage, create on schema bullmq to ${to}; -- BullMQ makes a sequence for a queue at its first job
    grant select, insert, update, delete on all tables in schema bullmq to ${to};
    ${sequences.map(({ name }) => `grant usage on sequence bullmq.${pg.escapeIdentifier(name)} to ${to};`).join('\n')}
  `);
}
