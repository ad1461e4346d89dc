import { expect, test } from '@jest/globals';
import { loadConfig } from './config.ts';
import { recordedSettings } from './recorded-settings.ts';

const required = {
  KDH_DATABASE_URL: 'postgres://app:s3cret@db/kdh',
  KDH_HSM_URL: 'unix:/hsm',
  KDH_STATE_DIR: '/state',
};

test('every setting that has a value is recorded, those that nobody set among them', () => {
  expect(recordedSettings(loadConfig({ ...required, KDH_NODE_ID: 'a' }))).toMatchObject({
    KDH_DATABASE_URL: 'postgres://app:…@db/kdh',
    KDH_HSM_URL: 'unix:/hsm',
    KDH_NODE_ID: 'a',
    KDH_ROLES: '["api","gateway","worker","sealer"]',
    KDH_CHUNK_SIZE: '100',
  });
});

test('no password and no token is', () => {
  const config = loadConfig({
    ...required,
    KDH_REDIS_URL: 'rediss://:s3cret@redis:6379/2',
    KDH_METRICS_TOKEN: 's3cret-s3cret-s3cret-s3cret',
  });
  const settings = recordedSettings(config);
  expect(JSON.stringify(settings)).not.toContain('s3cret');
  expect(settings).toMatchObject({
    KDH_REDIS_URL: 'rediss://:…@redis:6379/2',
    KDH_METRICS_TOKEN: 'set',
  });
});

test('a password among the options of an address is left out', () => {
  const config = loadConfig({
    ...required,
    KDH_DATABASE_URL: 'postgres://db/kdh?user=app&password=s3cret&ssl=1',
  });
  expect(recordedSettings(config)['KDH_DATABASE_URL']).toBe('postgres://db/kdh?user=app&password=…&ssl=1');
});

test('a password with an @ in it is left out to its end', () => {
  const config = loadConfig({ ...required, KDH_DATABASE_URL: 'postgres://app:s3@cret@db/kdh' });
  expect(recordedSettings(config)['KDH_DATABASE_URL']).toBe('postgres://app:…@db/kdh');
});
