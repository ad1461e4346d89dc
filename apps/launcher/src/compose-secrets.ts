import { randomBytes, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeTlsFiles } from './tls-files.ts';

/**
 * The secrets of docker-compose.yml, made in the folder of the first argument at the first `docker compose up` and
 * kept: a password each for PostgreSQL and Redis, the passphrase of the soft HSM, and TLS certificates. Those are made
 * anew in their last 30 days.
 */
const folder = process.argv[2];
if (folder === undefined) throw new Error('usage: compose-secrets.js FOLDER');

keep('hsm-passphrase', () => `${password()}\n`);
keep('postgres-password', password);
keep('database-owner-url', () => `postgres://openkdh:${read('postgres-password')}@postgres:5432/openkdh`);
keep('database-url', () => `postgres://openkdh_app:${password()}@postgres:5432/openkdh`);
keep('redis-password', password);
keep('redis-url', () => `redis://:${read('redis-password')}@redis:6379`);
keep('redis.conf', () =>
  [`requirepass ${read('redis-password')}`, 'maxmemory-policy noeviction', 'save ""', ''].join('\n'),
);
if (!existsSync(file('ca.pem')) || daysLeft('http.pem') < 30) {
  await writeTlsFiles(folder, {
    hsm: { commonName: 'soft-hsm', hosts: ['soft-hsm'] },
    kdh: { commonName: 'kdh-server' },
    http: { commonName: 'kdh-server', hosts: ['localhost', '127.0.0.1', 'kdh-1', 'kdh-2'] },
  });
}

function file(name: string): string {
  return join(folder!, name);
}

function read(name: string): string {
  return readFileSync(file(name), 'utf8');
}

function keep(name: string, make: () => string): void {
  if (!existsSync(file(name))) writeFileSync(file(name), make(), { mode: 0o600 });
}

/** 192 random bits that need no quoting anywhere. */
function password(): string {
  return randomBytes(24).toString('base64url');
}

function daysLeft(certificate: string): number {
  return (Date.parse(new X509Certificate(read(certificate)).validTo) - Date.now()) / 86_400_000;
}
