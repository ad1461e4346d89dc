import { expect, test } from '@jest/globals';
import { fleetPart, hsmPart, hsmSocketOf, serverPart } from './parts.ts';

const settings = {
  databaseUrl: 'postgres://openkdh:secret@127.0.0.1/openkdh',
  redisUrl: undefined,
  hsmUrl: 'unix:/state/hsm-link/host.sock',
  port: 8080,
  terminalPort: 8443,
};

test('kdh-server gets its settings, and hands on those of its own that the user has set', () => {
  const environment = { KDH_CHUNK_SIZE: '50', KDH_HTTP_PORT: '1', AWS_SECRET: 'x', DATABASE_URL: 'y' };
  const { env } = serverPart('/state', settings, environment).command;
  expect(env).toMatchObject({
    KDH_CHUNK_SIZE: '50',
    KDH_HTTP_PORT: '8080', // ours stand above the user's
    KDH_DATABASE_URL: settings.databaseUrl,
    OPENKDH_PARENT_WATCH: '1',
  });
  expect(env).not.toHaveProperty('KDH_REDIS_URL');
  expect(env).not.toHaveProperty('AWS_SECRET');
  expect(env).not.toHaveProperty('DATABASE_URL');
});

test('neither the HSM nor the terminals are told how the database is opened', () => {
  const fleet = { terminals: 1, port: 8080, terminalPort: 8443, tokenFile: '/state/token', profileId: 'p' };
  process.env['DATABASE_URL'] = settings.databaseUrl;
  try {
    for (const part of [hsmPart('/state'), fleetPart('/state', fleet)]) {
      expect(JSON.stringify(part)).not.toContain('secret');
    }
  } finally {
    delete process.env['DATABASE_URL'];
  }
});

test('a state folder whose path does not leave room for a socket is refused', () => {
  const longest = `/${'x'.repeat(103 - '//hsm-link/host.sock'.length)}`;
  expect(Buffer.byteLength(hsmSocketOf(longest))).toBe(103);
  expect(() => hsmSocketOf(`${longest}x`)).toThrow(expect.objectContaining({ code: 'STATE_PATH_TOO_LONG' }));
});
