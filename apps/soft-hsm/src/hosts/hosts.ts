import { Host } from './host.ts';
import type { HostEntry, HostList } from './host-list.ts';

const nothing = { commands: [], usages: [], lmkIds: [], rates: {} };
const everything = { commands: '*', usages: '*', lmkIds: '*', rates: {} } as const;

/** The hosts that have come, each with its permissions. */
export class Hosts {
  #list: HostList | undefined;
  readonly #now: () => number;
  readonly #known = new Map<string, Host>();
  /** Stands in for a host where somebody acts at the management socket. */
  readonly console: Host;

  /** Without a list, whoever gets through to a socket may give every command. */
  constructor(list: HostList | undefined, now: () => number) {
    this.#list = list;
    this.#now = now;
    this.console = new Host({ ...everything, id: 'console', name: 'console' }, now);
  }

  /** The host with this id, the same for all its connections; `undefined` if it is not in the list. */
  get(id: string): Host | undefined {
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    const entry: HostEntry | undefined = this.#list ? this.#list.get(id) : { ...everything, id, name: id };
    if (entry === undefined) return undefined;
    const host = new Host(entry, this.#now);
    this.#known.set(id, host);
    return host;
  }

  /** Puts another list in force. A host that is connected and no longer in it may do nothing any more. */
  replace(list: HostList): void {
    this.#list = list;
    for (const host of this.#known.values()) {
      host.change(list.get(host.id) ?? { ...nothing, id: host.id, name: host.name });
    }
  }

  /** Whether any host is shut out; JK shows it. */
  get anyLocked(): boolean {
    return [...this.#known.values()].some((host) => host.locked);
  }
}
