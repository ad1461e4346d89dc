import type { AuditLog } from './audit/audit-log.ts';
import type { DualControl } from './ceremony/dual-control.ts';
import type { HostList } from './hosts/host-list.ts';
import { Hosts } from './hosts/hosts.ts';
import { KeyCache } from './lmk/key-cache.ts';
import { type Lmk, LmkTable } from './lmk/lmk.ts';
import type { Log } from './log.ts';
import type { Random } from './random/random-source.ts';
import { Authorities } from './tr34/authorities.ts';
import { UsedNonces } from './tr34/nonces.ts';
import { overwriteYoungGeneration } from './young-generation.ts';

/**
 * UNINITIALISED: there is no LMK yet. LOCKED: it is sealed. OPERATIONAL: it is loaded and the audit log is open.
 * FAILED: a self-test failed or the audit log cannot be written; only a restart, with its self-tests, ends it.
 * TAMPERED: the HSM has erased its LMK; only a new initialisation ends it.
 */
export type HsmState = 'UNINITIALISED' | 'LOCKED' | 'OPERATIONAL' | 'FAILED' | 'TAMPERED';

/** Causes of tampering as JK shows them: the ones of a payShield that software can have. */
export const tamperCauses = { erase: '03', watchdog: '04', general: '10' } as const;

export interface Tampering {
  cause: (typeof tamperCauses)[keyof typeof tamperCauses];
  /** ISO 8601, UTC. */
  time: string;
  reason: string;
}

/** Security settings, as a payShield has them. */
export interface SecuritySettings {
  /** "Additional padding to disguise key length": TR-31 blocks hide how long their key is. */
  keyLengthHiding: boolean;
  /** With more records that the platform has not acknowledged, no key is used; `undefined`: no limit. */
  auditLimit: number | undefined;
}

/** Where records go; `append` resolves when the record is on disk. */
export type AuditTrail = Pick<AuditLog, 'append' | 'head' | 'records'>;

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
  readonly authorities = new Authorities();
  /** Of KRDs, in B8. */
  readonly usedNonces = new UsedNonces();
  #state: HsmState = 'LOCKED';
  #auditTrail: AuditTrail | undefined;
  #dualControl: DualControl | undefined;
  #tampering: Tampering | undefined;

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

  /** Officers and their grants; `undefined` for an HSM that one person runs, as in development. */
  get dualControl(): DualControl | undefined {
    return this.#dualControl;
  }

  /** Why the HSM has erased itself, in state TAMPERED. */
  get tampering(): Tampering | undefined {
    return this.#tampering;
  }

  becomeOperational(lmk: Lmk, auditTrail: AuditTrail, dualControl?: DualControl): void {
    this.lmks.load(lmk);
    this.#auditTrail = auditTrail;
    this.#dualControl = dualControl;
    this.#enter('OPERATIONAL');
  }

  /** A self-test, the random numbers or the audit log have failed. Records it, if there is a log that takes it. */
  fail(reason: string): void {
    if (this.#state === 'FAILED') return;
    this.#enter('FAILED');
    this.log('error', 'failed', reason);
    this.#auditTrail?.append({ event: 'failed', reason }).catch(() => {}); // it is the log that failed
  }

  /** Wipes all keys, and waits for somebody to give it some. */
  rest(state: 'UNINITIALISED' | 'LOCKED'): void {
    this.#wipe();
    this.#enter(state);
  }

  /** Wipes all keys for good. */
  beTampered(tampering: Tampering): void {
    this.#wipe();
    this.#tampering = tampering;
    this.#enter('TAMPERED');
  }

  #wipe(): void {
    this.keys.clear();
    this.lmks.clear();
    this.#dualControl?.wipe();
    this.#dualControl = undefined;
    if (this.#auditTrail !== undefined) overwriteYoungGeneration(); // keys were in use
    this.#auditTrail = undefined;
  }

  #enter(state: HsmState): void {
    if (state !== this.#state) this.log('info', 'state', `the HSM is ${state}`, { state });
    this.#state = state;
  }
}
