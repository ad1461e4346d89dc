import { describe, expect, test } from '@jest/globals';
import { parseRedisAddress } from './redis-address.ts';

describe('KDH_REDIS_URL', () => {
  test('one server', () => {
    expect(parseRedisAddress('redis://localhost')).toEqual({
      kind: 'single',
      options: { host: 'localhost', port: 6379 },
    });
    expect(parseRedisAddress('rediss://kdh:p%40ss@redis.example:6380/2')).toEqual({
      kind: 'single',
      options: { host: 'redis.example', port: 6380, username: 'kdh', password: 'p@ss', tls: {}, db: 2 },
    });
    expect(parseRedisAddress('redis://:secret@[2001:db8::1]:7000')).toEqual({
      kind: 'single',
      options: { host: '2001:db8::1', port: 7000, password: 'secret' },
    });
  });

  test('sentinels and the name of their master', () => {
    const sentinels = [
      { host: 'a', port: 26379 },
      { host: 'b', port: 26380 },
    ];
    expect(parseRedisAddress('redis-sentinel://a:26379,b:26380/kdh')).toEqual({
      kind: 'sentinel',
      options: { sentinels, name: 'kdh' },
    });
    expect(parseRedisAddress('rediss-sentinel://u:p@a:26379,b:26380/kdh/3')).toEqual({
      kind: 'sentinel',
      options: { sentinels, name: 'kdh', db: 3, username: 'u', password: 'p', tls: {} },
    });
  });

  test('nodes of a cluster', () => {
    expect(parseRedisAddress('redis-cluster://a:7000,b,[::1]:7002')).toEqual({
      kind: 'cluster',
      nodes: [
        { host: 'a', port: 7000 },
        { host: 'b', port: 6379 },
        { host: '::1', port: 7002 },
      ],
      options: {},
    });
  });

  test.each([
    'http://localhost',
    'redis:localhost',
    'redis://',
    'redis://a,b',
    'redis://a:70000',
    'redis://a/one',
    'redis://2001:db8::1',
    'redis-sentinel://a:26379',
    'redis-sentinel://a:26379/kdh/1/2',
    'redis-cluster://a:7000/1',
    'redis-cluster://a:7000,',
    'redis-herd://a',
  ])('%s is refused', (url) => expect(parseRedisAddress(url)).toBeUndefined());
});
