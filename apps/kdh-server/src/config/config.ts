import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { z } from 'zod';
import { archiveAddressForms, parseArchiveAddress } from '../audit/archive/archive-address.ts';
import { parseWitnessList, witnessListForm } from '../audit/witnesses/witness-list.ts';
import { parseRedisAddress, redisAddressForms } from '../queue/redis-address.ts';

const databaseUrl = z.string().startsWith('postgres');
const port = z.coerce.number().int().min(0).max(65535);
const logArchive = z.string().refine((text) => parseArchiveAddress(text) !== undefined, archiveAddressForms);
const nodeId = z.string().min(1).max(64).default(`${hostname()}-${process.pid}`);
const loopback = new Set(['127.0.0.1', '::1', 'localhost']);

/** What a kdh-server does; by default everything. */
export const roles = ['api', 'gateway', 'worker', 'sealer'] as const;
export type Role = (typeof roles)[number];

/** Every setting of kdh-server, read once from the environment before Nest starts. docs/operating.md lists them. */
const configSchema = z
  .object({
    /** Of the application's role, which owns no table. */
    KDH_DATABASE_URL: databaseUrl,
    KDH_DATABASE_CONNECTIONS: z.coerce.number().int().min(4).max(200).default(16),
    KDH_REDIS_URL: z
      .string()
      .refine((url) => parseRedisAddress(url) !== undefined, redisAddressForms)
      .optional(),
    KDH_HSM_URL: z.string().min(1),
    KDH_SIGNING_HSM_URL: z.string().min(1).optional(),
    KDH_HSM_TLS_CERT: z.string().optional(),
    KDH_HSM_TLS_KEY: z.string().optional(),
    KDH_HSM_TLS_CA: z.string().optional(),
    KDH_HSM_LMK_ID: z.coerce.number().int().min(0).max(99).optional(),
    KDH_HSM_LMK_CHECK_VALUE: z
      .string()
      .regex(/^[0-9A-F]{6}$/)
      .optional(),
    KDH_HTTP_HOST: z.string().default('127.0.0.1'),
    KDH_HTTP_PORT: port.default(8080),
    KDH_HTTP_TLS_CERT: z.string().optional(),
    KDH_HTTP_TLS_KEY: z.string().optional(),
    KDH_METRICS_TOKEN: z.string().min(20).optional(),
    KDH_TERMINAL_HOST: z.string().default('127.0.0.1'),
    KDH_TERMINAL_PORT: port.default(8443),
    KDH_TERMINAL_NAMES: z.string().default('localhost,127.0.0.1'),
    KDH_ADDRESS_CONNECTIONS_PER_SECOND: z.coerce.number().int().min(1).max(1_000_000).default(200),
    KDH_STATE_DIR: z.string().min(1),
    KDH_NODE_ID: nodeId,
    KDH_ROLES: z
      .string()
      .default(roles.join())
      .transform((list) => list.split(',').map((role) => role.trim()))
      .pipe(z.array(z.enum(roles))),
    KDH_CHUNK_SIZE: z.coerce.number().int().min(1).max(500).default(100),
    KDH_LOAD_EXPIRY_SECONDS: z.coerce
      .number()
      .int()
      .min(60)
      .default(7 * 24 * 3600),
    KDH_LOG_ARCHIVE: logArchive.optional(),
    KDH_RETENTION_DAYS: z.coerce.number().int().min(0).max(36_500).default(730),
    KDH_WITNESSES: z
      .string()
      .default('')
      .transform((text, context) => {
        const witnesses = parseWitnessList(text);
        if (witnesses) return witnesses;
        context.issues.push({ code: 'custom', message: witnessListForm, input: text });
        return z.NEVER;
      }),
    KDH_WITNESS_QUORUM: z.coerce.number().int().min(1).max(99).optional(),
    /** For tests; see failpoints.ts. */
    KDH_FAILPOINTS: z.string().min(1).optional(),
  })
  .refine((c) => loopback.has(c.KDH_HTTP_HOST) || (c.KDH_HTTP_TLS_CERT && c.KDH_HTTP_TLS_KEY), {
    message:
      'the REST API leaves the loopback interface only over TLS: set KDH_HTTP_TLS_CERT and KDH_HTTP_TLS_KEY',
    path: ['KDH_HTTP_HOST'],
  })
  // All of the witnesses unless said otherwise; without witnesses nothing is final.
  .transform((c) => ({ ...c, KDH_WITNESS_QUORUM: c.KDH_WITNESS_QUORUM ?? c.KDH_WITNESSES.length }))
  .refine((c) => c.KDH_WITNESS_QUORUM <= c.KDH_WITNESSES.length, {
    message: 'expected at most as many as KDH_WITNESSES has',
    path: ['KDH_WITNESS_QUORUM'],
  });

export type Config = z.infer<typeof configSchema>;

/** What `kdh-server migrate` reads; a server that serves is never told how the owner connects. */
const migrationConfigSchema = z.object({
  /** Of the role that owns the tables; it needs CREATEROLE unless the application's role is there already. */
  KDH_MIGRATION_DATABASE_URL: databaseUrl,
  KDH_DATABASE_URL: databaseUrl,
  KDH_NODE_ID: nodeId,
});

export type MigrationConfig = z.infer<typeof migrationConfigSchema>;

/** What `kdh-server prune-archived` reads. */
const pruneConfigSchema = z.object({
  /** Of the role that owns the tables. */
  KDH_MIGRATION_DATABASE_URL: databaseUrl,
  KDH_LOG_ARCHIVE: logArchive,
  KDH_NODE_ID: nodeId,
});

export type PruneConfig = z.infer<typeof pruneConfigSchema>;

/** Injection token of the {@link Config}. */
export const CONFIG = Symbol('CONFIG');

export class ConfigError extends Error {
  readonly code = 'CONFIG_INVALID';
}

/** Throws {@link ConfigError}. `KDH_X_FILE` names a file with the value of `KDH_X`: an environment shows its secrets. */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  return read(configSchema, env);
}

/** Like {@link loadConfig}, for `kdh-server migrate`. */
export function loadMigrationConfig(env: NodeJS.ProcessEnv): MigrationConfig {
  return read(migrationConfigSchema, env);
}

/** Like {@link loadConfig}, for `kdh-server prune-archived`. */
export function loadPruneConfig(env: NodeJS.ProcessEnv): PruneConfig {
  return read(pruneConfigSchema, env);
}

function read<T>(schema: z.ZodType<T>, env: NodeJS.ProcessEnv): T {
  const parsed = schema.safeParse({ ...env, ...valuesFromFiles(env) });
  if (!parsed.success) throw new ConfigError(`invalid configuration:\n${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

function valuesFromFiles(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const values: NodeJS.ProcessEnv = {};
  for (const [name, file] of Object.entries(env)) {
    if (!/^KDH_\w+_FILE$/.test(name) || !file) continue;
    try {
      values[name.slice(0, -'_FILE'.length)] = readFileSync(file, 'utf8').trim();
    } catch (error) {
      throw new ConfigError(`${name} cannot be read: ${(error as Error).message}`);
    }
  }
  return values;
}
