import { createPostgresBackend, Queue, type QueueOptions, Worker, withBackend } from 'bullmq';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { Config } from '../config/config.ts';
import { parseRedisAddress, type RedisAddress } from './redis-address.ts';

/** What a job says: look at these attempts. Ids only, never a key block, a serial or a KSN (I10). */
export interface DeriveJob {
  attempts: string[];
}

/** Injection token of the {@link DeriveQueue}. */
export const DERIVE_QUEUE = Symbol('DERIVE_QUEUE');

/**
 * The queue is not the truth: a job that is lost, doubled or late changes nothing, because the worker reads the
 * attempts again and the sweeper queues anew what waits too long.
 */
export interface DeriveQueue {
  add(jobs: DeriveJob[]): Promise<void>;
  /** Starts to work jobs. A rejected promise is logged by the caller of `onError` and not retried by the queue. */
  work(handle: (job: DeriveJob) => Promise<void>): void;
  /** Jobs that wait, and that are worked on. */
  depth(): Promise<Record<'waiting' | 'active', number>>;
  /** Fails when the queue's store does not answer. */
  ping(): Promise<void>;
  /** Lets running jobs finish, then disconnects. */
  close(): Promise<void>;
}

const bullmqClasses = { Queue, Worker };

const NAME = 'derive';
const CONCURRENCY = 4;

/** A chunk that a worker does not finish is put before another one after this time. */
const LOCK_MILLISECONDS = 30_000;

/** In a cluster all keys of a queue must lie in one slot: the braces say by what they are hashed. */
const CLUSTER_PREFIX = '{bull}';

/** A producer fails at once when Redis is away, and the outbox keeps what it had; a worker waits for it. */
const producing: RedisOptions = { maxRetriesPerRequest: 1, enableOfflineQueue: false };
const working: RedisOptions = { maxRetriesPerRequest: null };

/** BullMQ on PostgreSQL, or on Redis when `KDH_REDIS_URL` is set. */
export function openDeriveQueue(config: Config, onError: (error: Error) => void): DeriveQueue {
  const address = config.KDH_REDIS_URL === undefined ? undefined : parseRedisAddress(config.KDH_REDIS_URL);
  const clients: (Redis | Cluster)[] = [];
  const optionsFor = (use: RedisOptions): QueueOptions => {
    if (!address) return { connection: { connectionString: config.KDH_DATABASE_URL, max: 2 } as object };
    const client = openRedis(address, use);
    client.on('error', onError); // without a listener an 'error' event ends the process
    clients.push(client);
    return { connection: client, ...(address.kind === 'cluster' && { prefix: CLUSTER_PREFIX }) };
  };
  // The classes of both back ends have the same shape; only the types of their connections differ.
  const classes = address
    ? bullmqClasses
    : (withBackend(createPostgresBackend) as unknown as typeof bullmqClasses);
  const queue = new classes.Queue<DeriveJob>(NAME, optionsFor(producing));
  queue.on('error', onError);
  let worker: Worker<DeriveJob> | undefined;
  return {
    async add(jobs) {
      await queue.addBulk(
        jobs.map((data) => ({ name: NAME, data, opts: { removeOnComplete: true, removeOnFail: true } })),
      );
    },
    work(handle) {
      worker = new classes.Worker<DeriveJob>(NAME, (job) => handle(job.data), {
        ...optionsFor(working),
        concurrency: CONCURRENCY,
        lockDuration: LOCK_MILLISECONDS,
      });
      worker.on('error', onError);
      worker.on('failed', (_job, error) => onError(error));
    },
    async depth() {
      const { waiting = 0, active = 0 } = await queue.getJobCounts('waiting', 'active');
      return { waiting, active };
    },
    async ping() {
      await queue.getJobCounts('waiting');
    },
    async close() {
      await worker?.close();
      await queue.close();
      for (const client of clients) client.disconnect(); // BullMQ leaves open what it was given
    },
  };
}

function openRedis(address: RedisAddress, use: RedisOptions): Redis | Cluster {
  const options = { ...address.options, ...use };
  if (address.kind !== 'cluster') return new Redis(options);
  return new Cluster(address.nodes, {
    redisOptions: options,
    enableOfflineQueue: use.enableOfflineQueue ?? true,
  });
}
