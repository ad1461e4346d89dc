import type { AuditLog } from './audit/audit-log.ts';
import type { HostList } from './hosts/host-list.ts';
import { Hosts } from './hosts/hosts.ts';
import { KeyCache } from './lmk/key-cache.ts';
import { type Lmk, LmkTable } from './lmk/lmk.ts';
import type { Log } from './log.ts';
import type { Random } from './random/random-source.ts';

/**
 * LOCKED: the LMK is sealed. OPERATIONAL: it is loaded and the audit log is open. FAILED: a self-test failed or the
 * audit log cannot be written; only a restart, with its self-tests, ends it.
 */
export type HsmState = 'LOCKED' | 'OPERATIONAL' | 'FAILED';

/** Security settings, as a payShield has them. */
export interface SecuritySettings {
  /** "Additional padding to disguise key length": TR-31 blocks hide how long their key is. */
  keyLengthHiding: boolean;
}

/** Where records go; `append` resolves when the record is on disk. */
export type AuditTrail = Pick<AuditLog, 'append' | 'head'>;

export interface MachineOptions {
  random: Random;
  settings: SecuritySettings;
  now: () => Date;
  /** Whether hosts can come over TLS; JK shows it. */
  tlsPort: boolean;
  /** Who may use this HSM; `undefined`: whoever gets through to a socket. */
  hostList: HostList | undefined;
  log: Log;
}

/** The inside of the HSM: its state, its keys while it has any, and what its commands work with. */
export class Machine {
  readonly random: Random;
  readonly settings: SecuritySettings;
  readonly now: () => Date;
  readonly tlsPort: boolean;
  readonly hosts: Hosts;
  readonly log: Log;
  readonly lmks = new LmkTable();
  readonly keys = new KeyCache();
  #state: HsmState = 'LOCKED';
  #auditTrail: AuditTrail | undefined;

  constructor({ random, settings, now, tlsPort, hostList, log }: MachineOptions) {
    this.random = random;
    this.settings = settings;
    this.now = now;
    this.tlsPort = tlsPort;
    this.hosts = new Hosts(hostList, () => performance.now());
    this.log = log;
  }

  get state(): HsmState {
    return this.#state;
  }

  /** There is one from the moment the LMK is loaded. */
  get auditTrail(): AuditTrail | undefined {
    return this.#auditTrail;
  }

  becomeOperational(lmk: Lmk, auditTrail: AuditTrail): void {
    this.lmks.load(lmk);
    this.#auditTrail = auditTrail;
    this.#state = 'OPERATIONAL';
  }

  /** A self-test, the random numbers or the audit log have failed. Records it, if there is a log that takes it. */
  fail(reason: string): void {
    if (this.#state === 'FAILED') return;
    this.#state = 'FAILED';
    this.log('error', 'failed', reason);
    this.#auditTrail?.append({ event: 'failed', reason }).catch(() => {}); // it is the log that failed
  }

  /** Wipes all keys. */
  lock(): void {
    this.keys.clear();
    this.lmks.clear();
    this.#auditTrail = undefined;
    if (this.#state === 'OPERATIONAL') this.#state = 'LOCKED';
  }
}
