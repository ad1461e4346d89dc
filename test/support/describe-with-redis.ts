import { describe } from '@jest/globals';
import { redisServer } from './redis.ts';

/** `describe` where there is a redis-server or, in CI, must be; elsewhere its tests are skipped and say how to get it. */
export const describeWithRedis: (name: string, tests: () => void) => void =
  redisServer || process.env['CI'] === 'true'
    ? describe
    : (name, tests) => describe.skip(`${name} (no redis-server: apt-get install redis-server)`, tests);
