import { readFileSync } from 'node:fs';
import { commands } from '../commands/index.ts';
import { SoftHsmError } from '../errors.ts';

/** What one host may do. A list that is absent permits nothing; `*` permits everything. */
export interface HostEntry {
  /** For logs. */
  name: string;
  /** SHA-256 fingerprint of the client certificate, upper-case hex; `local` for the unix socket. */
  id: string;
  /** Command codes. */
  commands: readonly string[] | '*';
  /** Key usages of the key blocks that go in and come out. */
  usages: readonly string[] | '*';
  lmkIds: readonly string[] | '*';
  /** Commands per second by code; a command without one has no limit. */
  rates: Readonly<Record<string, number>>;
}

/** Who may use this HSM, by id. A host that is not in the list does not get in. */
export type HostList = ReadonlyMap<string, HostEntry>;

/** Reads the list of hosts, JSON: `{ "hosts": [ { name, id, commands, usages, lmkIds, rates } ] }`. */
export function readHostList(path: string): HostList {
  let contents: string;
  try {
    contents = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new SoftHsmError('SOFT_HSM_FILE', `cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
  return parseHostList(contents);
}

/** Throws SOFT_HSM_FILE with the first thing that is wrong. */
export function parseHostList(contents: string): HostList {
  const list = new Map<string, HostEntry>();
  for (const entry of hostsIn(contents)) {
    const host = parseHost(entry);
    if (list.has(host.id)) throw bad(`${host.id} stands there twice`);
    list.set(host.id, host);
  }
  return list;
}

function hostsIn(contents: string): unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(contents);
  } catch {
    throw bad('not JSON');
  }
  const hosts = isObject(value) ? value['hosts'] : undefined;
  if (!Array.isArray(hosts)) throw bad('an object with an array "hosts" expected');
  return hosts;
}

function parseHost(value: unknown): HostEntry {
  if (!isObject(value)) throw bad('an object for each host expected');
  const { name, id, rates = {}, ...rest } = value;
  if (typeof name !== 'string' || !/^[\w .-]{1,64}$/.test(name))
    throw bad('name: 1 to 64 letters, digits, _ . - expected');
  if (typeof id !== 'string' || !/^(local|[0-9A-F]{64})$/.test(id)) {
    throw bad(`${name}: id: SHA-256 of the certificate in upper-case hex expected, or local`);
  }
  const list = (part: 'commands' | 'usages' | 'lmkIds', form: RegExp) => {
    const items = rest[part];
    if (items === '*') return items;
    if (!Array.isArray(items) || !items.every((item) => typeof item === 'string' && form.test(item))) {
      throw bad(`${name}: ${part}: an array of ${form.source} expected, or "*"`);
    }
    return items as string[];
  };
  const known = ['commands', 'usages', 'lmkIds'];
  const unknown = Object.keys(rest).find((part) => !known.includes(part));
  if (unknown !== undefined) throw bad(`${name}: ${unknown} is no part of a host`);
  return {
    name,
    id,
    commands: list('commands', new RegExp(`^(${Object.keys(commands).join('|')})$`)),
    usages: list('usages', /^[0-9A-Z]{2}$/),
    lmkIds: list('lmkIds', /^[01][0-9]$/),
    rates: parseRates(name, rates),
  };
}

function parseRates(name: string, rates: unknown): Record<string, number> {
  const good =
    isObject(rates) &&
    Object.values(rates).every((rate) => Number.isSafeInteger(rate) && (rate as number) > 0);
  if (!good) throw bad(`${name}: rates: whole numbers by command code expected`);
  return rates as Record<string, number>;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function bad(what: string): SoftHsmError {
  return new SoftHsmError('SOFT_HSM_FILE', `list of hosts: ${what}`);
}
