import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CORE_SCHEMA, load, mergeTag } from 'js-yaml';
import { loadConfig, loadMigrationConfig } from '../../apps/kdh-server/src/config/config.ts';
import { parseServeOptions } from '../../apps/soft-hsm/src/options.ts';
import { killAll, SoftHsmProcess } from '../support/soft-hsm-process.ts';

// Checked as far as it goes without a container engine: whatever a file names is there, and what a container is
// started with is understood by the program that it starts.

interface Service {
  image: string;
  command?: string[];
  environment?: Record<string, string | number>;
  depends_on?: Record<string, { condition: string }>;
  volumes?: string[];
  ports?: string[];
  healthcheck?: { test: string[] };
}

const repository = fileURLToPath(new URL('../../', import.meta.url));
const read = (file: string) => readFileSync(join(repository, file), 'utf8');
const compose = load(read('docker-compose.yml'), { schema: CORE_SCHEMA.withTags(mergeTag) }) as {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
};
const services = Object.entries(compose.services);
const ours = services.filter(([, { image }]) => image === 'openkdh');

let secrets: string;

/** What compose makes of a text: its own variables at their defaults, and the volume `secrets` where we have it. */
const resolved = (text: string) =>
  text.replace(/\$\{\w+:-([^}]*)\}/g, '$1').replaceAll('/secrets/', `${secrets}/`);

beforeAll(() => {
  secrets = mkdtempSync(join(tmpdir(), 'openkdh-secrets-'));
  execFileSync(process.execPath, [join(repository, 'apps/launcher/dist/compose-secrets.js'), secrets]);
});

afterAll(() => {
  rmSync(secrets, { recursive: true });
});

test('there are PostgreSQL, Redis, the soft HSM and two nodes, and one image of ours', () => {
  expect(services.map(([name]) => name)).toEqual([
    'secrets',
    'postgres',
    'migrate',
    'redis',
    'soft-hsm',
    'kdh-1',
    'kdh-2',
  ]);
  expect(ours.map(([name]) => name)).toEqual(['secrets', 'migrate', 'soft-hsm', 'kdh-1', 'kdh-2']);
});

test('every program that a container of ours runs is built from a source that is there', () => {
  for (const [, { command }] of ours) {
    expect(command![0]).toBe('node');
    const program = command!.slice(1).find((argument) => !argument.startsWith('--'))!;
    const source = program.replace('/dist/', '/src/').replace(/\.js$/, '.ts');
    expect([source, existsSync(join(repository, source))]).toEqual([source, true]);
  }
});

test('services and volumes that are named exist', () => {
  for (const [, { depends_on, volumes }] of services) {
    for (const name of Object.keys(depends_on ?? {})) expect(Object.keys(compose.services)).toContain(name);
    for (const volume of volumes ?? []) expect(Object.keys(compose.volumes)).toContain(volume.split(':')[0]);
  }
});

test('a service that is waited for until it is healthy says how that is known', () => {
  for (const [, { depends_on }] of services) {
    for (const [name, { condition }] of Object.entries(depends_on ?? {})) {
      if (condition === 'service_healthy') expect(compose.services[name]!.healthcheck?.test[0]).toBe('CMD');
    }
  }
});

describe('secrets', () => {
  test('are files of their owner’s alone, and stay the same', () => {
    const content = () =>
      readdirSync(secrets).map((name) => [name, readFileSync(join(secrets, name), 'utf8')]);
    const before = content();
    execFileSync(process.execPath, [join(repository, 'apps/launcher/dist/compose-secrets.js'), secrets]);
    expect(content()).toEqual(before);
    for (const [name] of before) expect(statSync(join(secrets, name!)).mode & 0o777).toBe(0o600);
  });

  test('that are named are made', () => {
    for (const [, name] of read('docker-compose.yml').matchAll(/\/secrets\/([\w.-]+)/g)) {
      expect(readdirSync(secrets)).toContain(name);
    }
  });

  test('have no default: no password stands in an environment or a command', () => {
    for (const [, { environment, command }] of services) {
      const words = [...Object.entries(environment ?? {}).flat(), ...(command ?? [])].map(String);
      for (const word of words.filter((candidate) => /passw|passphrase/i.test(candidate))) {
        expect(word).toMatch(/_FILE$|^(--passphrase-file=)?\/secrets\//);
      }
    }
  });
});

test('kdh-server understands its environment', () => {
  for (const name of ['kdh-1', 'kdh-2']) {
    const entries = Object.entries(compose.services[name]!.environment!);
    const config = loadConfig(
      Object.fromEntries(entries.map(([key, value]) => [key, resolved(String(value))])),
    );
    expect(config).toMatchObject({
      KDH_NODE_ID: name,
      KDH_HSM_URL: 'tls://soft-hsm:1500',
      KDH_STATE_DIR: '/state',
    });
    expect(config.KDH_DATABASE_URL).toMatch(/^postgres:\/\/openkdh_app:[\w-]{32}@postgres:5432\/openkdh$/);
    expect(config.KDH_REDIS_URL).toMatch(/^redis:\/\/:[\w-]{32}@redis:6379$/);
    for (const file of [config.KDH_HSM_TLS_CERT, config.KDH_HSM_TLS_KEY, config.KDH_HSM_TLS_CA]) {
      expect(existsSync(file!)).toBe(true);
    }
  }
});

test('the migration connects as the owner, and names the role of kdh-server', () => {
  const entries = Object.entries(compose.services['migrate']!.environment!);
  const config = loadMigrationConfig(
    Object.fromEntries(entries.map(([key, value]) => [key, resolved(String(value))])),
  );
  expect(new URL(config.KDH_MIGRATION_DATABASE_URL).username).toBe('openkdh');
  expect(new URL(config.KDH_DATABASE_URL).username).toBe('openkdh_app');
});

test('soft-hsm understands its arguments, and listens where kdh-server looks for it', () => {
  const [, , command, ...args] = compose.services['soft-hsm']!.command!;
  expect(command).toBe('serve');
  const options = parseServeOptions(args.map(resolved));
  expect(options.tls).toMatchObject({ host: '0.0.0.0', port: 1500 });
  expect(options.lmk).toEqual({ from: 'passphrase', file: join(secrets, 'hsm-passphrase') });
});

test('soft-hsm starts with the manifest that the image is signed by, whose key is gone', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'openkdh-image-'));
  const [, sign] = /^RUN (openssl (?:.*\\\n)*.*)$/m.exec(read('Dockerfile'))!;
  const program = compose.services['soft-hsm']!.command![1]!;
  execFileSync('sh', ['-c', sign!.replaceAll(program, join(repository, program))], { cwd: folder });
  expect(readdirSync(folder).sort()).toEqual(['soft-hsm-manifest.json', 'soft-hsm-manifest.pub']);

  const args = compose.services['soft-hsm']!.command!.slice(2).map((argument) =>
    resolved(argument)
      .replaceAll('/app/', `${folder}/`)
      .replaceAll('/state', join(folder, 'state'))
      .replace('=0.0.0.0', '=127.0.0.1')
      .replace('=1500', '=0'),
  );
  try {
    expect(await new SoftHsmProcess(args).ready()).toMatchObject({ state: 'OPERATIONAL' });
  } finally {
    await killAll();
    rmSync(folder, { recursive: true });
  }
});

test('nothing is published beyond this machine', () => {
  for (const [, { ports }] of services) {
    for (const port of ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
  }
});

describe('the image', () => {
  const dockerfile = read('Dockerfile');

  test('has the folders that volumes are mounted on, for its own user alone', () => {
    const folders = ours.flatMap(([, { volumes }]) => volumes!.map((volume) => volume.split(':')[1]!));
    const [, made] = /^RUN install -d -o node -g node -m 0700 (.+)$/m.exec(dockerfile)!;
    expect(made!.split(' ').sort()).toEqual([...new Set(folders)].sort());
    expect(dockerfile).toMatch(/^USER node$/m);
  });

  test('is made by commands that this repository has, and takes in neither state nor what was built here', () => {
    expect(dockerfile).toContain('npm ci && npx tsc -b');
    expect(read('.dockerignore').split('\n')).toEqual(
      expect.arrayContaining(['.git', '.openkdh', '**/dist', '**/node_modules', '**/*.tsbuildinfo']),
    );
  });
});
