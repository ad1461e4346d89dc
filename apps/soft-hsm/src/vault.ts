import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import type { ChainHead } from '@openkdh/hsm-management';
import { AuditLog } from './audit/audit-log.ts';
import { checkpointKeyFromSeed } from './audit/checkpoint.ts';
import { hasRecords } from './audit/read.ts';
import { type ConfigurationFile, isAuthentic, readConfiguration } from './ceremony/configuration.ts';
import { DualControl } from './ceremony/dual-control.ts';
import { SoftHsmError } from './errors.ts';
import { firmware } from './firmware.ts';
import { deriveKey } from './lmk/key-derivation.ts';
import { type OpenedLmk, readSealedLmk, type Start } from './lmk/open-lmk.ts';
import type { SealedLmk } from './lmk/sealed-lmk.ts';
import type { Machine, Tampering } from './machine.ts';
import { writeFileAtomically } from './state/atomic-file.ts';
import type { StateFolder } from './state/state-folder.ts';

/** Where a restored HSM goes on: the counts of the one that its backup is of. */
export type Predecessor = Pick<ChainHead, 'bootCounter' | 'operations'>;

/** Opens and closes the machine over its files: sealed LMK, configuration, audit log. */
export class Vault {
  readonly folder: StateFolder;
  readonly machine: Machine;
  readonly #onTamper: () => void;
  #auditLog: AuditLog | undefined;

  /** `onTamper` ends the connections of all hosts. */
  constructor(machine: Machine, folder: StateFolder, onTamper: () => void) {
    this.machine = machine;
    this.folder = folder;
    this.#onTamper = onTamper;
  }

  /** Public key of the audit log's checkpoints, 32 bytes in hex, while the log is open. */
  get checkpointKey(): string | undefined {
    return this.#auditLog?.checkpointKey;
  }

  get sealedLmk(): SealedLmk | undefined {
    return readSealedLmk(this.folder.sealedLmk);
  }

  get configurationFile(): ConfigurationFile | undefined {
    return readConfiguration(this.folder.configuration);
  }

  /** The state of an HSM under dual control before anybody has unlocked it. */
  rest(): void {
    const tampering = this.#readTampering();
    if (tampering) this.machine.beTampered(tampering);
    else this.machine.rest(this.#hasStarted() ? 'LOCKED' : 'UNINITIALISED');
  }

  /**
   * Opens the audit log, begins this start in it, and makes the machine operational. Takes `opened` over. `file`: the
   * configuration of an HSM under dual control.
   *
   * The sealed LMK and the log count the starts together. The sealed LMK is written before the start is logged, and
   * again after: only a crash in between leaves it one ahead. Anything else means that one of them was rolled back.
   * That, a broken log and a changed configuration throw SOFT_HSM_AUDIT.
   */
  async open(opened: OpenedLmk, file?: ConfigurationFile, predecessor?: Predecessor): Promise<void> {
    try {
      const dualControl = file && this.#dualControl(file, opened.secrets.seed);
      const key = checkpointKeyOf(opened.secrets.seed);
      const auditLog = await AuditLog.open(this.folder.auditLog, key, this.machine.now);
      this.#auditLog = auditLog;
      if (predecessor) auditLog.continueFrom(predecessor);
      else requireInStep(opened.sealedStart, auditLog.head.bootCounter);
      const bootCounter = auditLog.head.bootCounter + 1;
      opened.seal({ bootCounter, logged: false });
      const { id: lmkId, status: lmkStatus, checkValue: lmkCheckValue } = opened.lmk;
      const { checkpointKey } = auditLog;
      await auditLog.start({ event: 'boot', checkpointKey, firmware, lmkCheckValue, lmkId, lmkStatus });
      opened.seal({ bootCounter, logged: true });
      this.machine.becomeOperational(opened.lmk, auditLog, dualControl);
      if (opened.oldLmk) this.machine.lmks.loadOld(opened.oldLmk, () => this.forgetOldLmk());
    } catch (error) {
      opened.discard();
      await this.#auditLog?.abandon();
      this.#auditLog = undefined;
      throw error;
    } finally {
      opened.close();
    }
  }

  /** Signs the end of the audit log and wipes all keys; the LMK stays sealed on disk. */
  async close(): Promise<void> {
    if (this.machine.state === 'OPERATIONAL') this.machine.rest('LOCKED');
    await this.#closeLog();
  }

  /** Erases the LMK, in memory first, then on disk; what is left can only be initialised anew. */
  async tamper(cause: Tampering['cause'], reason: string): Promise<void> {
    const tampering = { cause, time: this.machine.now().toISOString(), reason };
    this.machine.beTampered(tampering);
    writeFileAtomically(this.folder.tampering, Buffer.from(JSON.stringify(tampering)));
    this.#erase();
    this.#onTamper();
    this.machine.log('error', 'tampered', reason, { cause });
    await this.#auditLog?.append({ event: 'tampered', cause, reason }).catch(() => {});
    await this.#closeLog();
  }

  /** Puts away what a tampered HSM has left, so that it can be initialised anew. */
  forgetTampering(): void {
    if (existsSync(this.folder.auditLog)) {
      const stamp = this.machine.now().toISOString().replace(/\D/g, '');
      renameSync(this.folder.auditLog, `${this.folder.auditLog}.${stamp}`);
    }
    rmSync(this.folder.tampering, { force: true });
  }

  /** A sealed LMK without any record is one whose first start was cut off by a crash: nothing was done with it. */
  #hasStarted(): boolean {
    const { sealedLmk } = this;
    return sealedLmk !== undefined && (sealedLmk.logged || hasRecords(this.folder.auditLog));
  }

  forgetOldLmk(): void {
    rmSync(this.folder.oldSealedLmk, { force: true });
  }

  /** A crash may have come between the note and the erasing. */
  #readTampering(): Tampering | undefined {
    if (!existsSync(this.folder.tampering)) return undefined;
    this.#erase();
    return JSON.parse(readFileSync(this.folder.tampering, 'utf8')) as Tampering;
  }

  #erase(): void {
    for (const path of [this.folder.sealedLmk, this.folder.oldSealedLmk, this.folder.configuration]) {
      rmSync(path, { force: true });
    }
  }

  #dualControl(file: ConfigurationFile, seed: Uint8Array): DualControl {
    const configurationKey = deriveKey(seed, 'configuration');
    if (!isAuthentic(file, configurationKey)) {
      throw new SoftHsmError('SOFT_HSM_AUDIT', 'the configuration was changed');
    }
    return new DualControl({
      path: this.folder.configuration,
      configuration: file.configuration,
      configurationKey,
      backupKey: deriveKey(seed, 'backup'),
      hosts: this.machine.hosts,
      authorities: this.machine.authorities,
      now: this.machine.now,
    });
  }

  async #closeLog(): Promise<void> {
    const auditLog = this.#auditLog;
    this.#auditLog = undefined;
    await auditLog?.close().catch(() => {}); // it may be what has failed
  }
}

function requireInStep(sealed: Start | undefined, logged: number): void {
  if (sealed === undefined) return;
  const ahead = sealed.bootCounter - logged;
  if (ahead === 0 || (ahead === 1 && !sealed.logged)) return;
  throw new SoftHsmError(
    'SOFT_HSM_AUDIT',
    `the audit log ends in start ${logged}, the sealed LMK is of start ${sealed.bootCounter}: one was rolled back`,
  );
}

function checkpointKeyOf(seed: Uint8Array) {
  const signingSeed = deriveKey(seed, 'audit log checkpoint key');
  try {
    return checkpointKeyFromSeed(signingSeed);
  } finally {
    signingSeed.fill(0);
  }
}
