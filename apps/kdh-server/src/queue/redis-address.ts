import type { ClusterNode, RedisOptions } from 'ioredis';

/** Where Redis is, as `KDH_REDIS_URL` says it. */
export type RedisAddress =
  | { kind: 'single'; options: RedisOptions }
  | { kind: 'sentinel'; options: RedisOptions }
  | { kind: 'cluster'; nodes: ClusterNode[]; options: RedisOptions };

/** What a wrong address is answered with. */
export const redisAddressForms =
  'redis://[USER:PASSWORD@]HOST[:PORT][/DB], redis-sentinel://[…@]HOST:PORT,HOST:PORT/NAME[/DB] or redis-cluster://[…@]HOST:PORT,HOST:PORT expected; rediss… for TLS';

const form =
  /^(?<scheme>rediss?)(?:-(?<kind>sentinel|cluster))?:\/\/(?:(?<user>[^:@/]*):(?<password>[^@/]*)@)?(?<hosts>[^@/]+)(?:\/(?<path>.*))?$/;

/**
 * Reads an address; `undefined` for one of no known form. Several hosts, which no URL parser takes, are separated by
 * commas; user and password are percent-encoded, and are the data nodes', not the sentinels'.
 */
export function parseRedisAddress(url: string): RedisAddress | undefined {
  const found = form.exec(url)?.groups;
  if (!found) return undefined;
  const { scheme, kind, user, password, path = '' } = found;
  const nodes = (found['hosts'] as string).split(',').map(hostOf);
  if (!areHosts(nodes)) return undefined;
  const options: RedisOptions = {
    ...(user && { username: decodeURIComponent(user) }),
    ...(password && { password: decodeURIComponent(password) }),
    ...(scheme === 'rediss' && { tls: {} }),
  };
  if (kind === 'cluster') return path === '' ? { kind, nodes, options } : undefined;
  if (kind === 'sentinel') {
    const [name, db, ...rest] = path.split('/');
    if (!name || !isDatabase(db) || rest.length > 0) return undefined;
    return { kind, options: { ...options, sentinels: nodes, name, ...(db && { db: Number(db) }) } };
  }
  const [node, ...others] = nodes;
  if (!node || others.length > 0 || !isDatabase(path)) return undefined;
  return { kind: 'single', options: { ...options, ...node, ...(path && { db: Number(path) }) } };
}

interface Host {
  host: string;
  port: number;
}

const DEFAULT_PORT = 6379;

function hostOf(text: string): Host | undefined {
  const [, host, port] = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(text.trim()) ?? [];
  if (!host || Number(port) > 65_535) return undefined;
  return { host: host.replace(/^\[|\]$/g, ''), port: port ? Number(port) : DEFAULT_PORT };
}

function areHosts(hosts: (Host | undefined)[]): hosts is Host[] {
  return hosts.every((host) => host !== undefined);
}

function isDatabase(text: string | undefined): boolean {
  return text === undefined || /^\d{0,3}$/.test(text);
}
