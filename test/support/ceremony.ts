import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type AuditRecord,
  ed25519Hex,
  type Order,
  orderBytes,
  parseRecord,
  type SignedOrder,
} from '@openkdh/hsm-management';
import { Ceremonies } from '../../apps/soft-hsm/src/ceremony/ceremonies.ts';
import { SoftHsm } from '../../apps/soft-hsm/src/hsm.ts';
import { Machine } from '../../apps/soft-hsm/src/machine.ts';
import { type Management, manage } from '../../apps/soft-hsm/src/management/commands.ts';
import { createRandom } from '../../apps/soft-hsm/src/random/random-source.ts';
import { openStateFolder, type StateFolder } from '../../apps/soft-hsm/src/state/state-folder.ts';
import { Vault } from '../../apps/soft-hsm/src/vault.ts';
import { linesOf } from './lines.ts';
import { codeOfRefusal } from './refusal-code.ts';

/** An officer with the key that signs orders. */
export class TestOfficer {
  readonly name: string;
  readonly publicKey: string;
  readonly #privateKey: KeyObject;

  constructor(name: string) {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    this.name = name;
    this.#privateKey = privateKey;
    this.publicKey = ed25519Hex(publicKey)!;
  }

  sign(order: Order): SignedOrder['signatures'][number] {
    return {
      officer: this.name,
      signature: sign(null, orderBytes(order), this.#privateKey).toString('hex').toUpperCase(),
    };
  }
}

export const passphraseOf = (custodian: string) => Buffer.from(`the passphrase of ${custodian}`);

/** Instead of scrypt, which is slow on purpose. */
const quickStretch = async (passphrase: Uint8Array, salt: Uint8Array) =>
  createHash('sha256').update(salt).update(passphrase).digest();

let nonces = 0;

/** An HSM under dual control in this process: no sockets, but real files. */
export class CeremonyHsm {
  readonly officers: TestOfficer[];
  readonly folder: StateFolder;
  machine!: Machine;
  vault!: Vault;
  ceremonies!: Ceremonies;
  hostId = 'local';
  now = new Date('2026-11-24T12:00:00Z');
  hostsCutOff = 0;
  #softHsm!: SoftHsm;
  static #opened: Vault[] = [];

  /** Closes the files of all HSMs, also of those that were left as by kill -9. */
  static async closeAll(): Promise<void> {
    for (const vault of CeremonyHsm.#opened.splice(0)) await vault.close();
  }

  constructor(
    officers = [new TestOfficer('olga'), new TestOfficer('otto')],
    path = mkdtempSync(join(tmpdir(), 'ceremony-')),
  ) {
    this.officers = officers;
    this.folder = openStateFolder(path);
    this.start();
  }

  /** A new process over the same files; what was in memory is gone. */
  start(): void {
    this.machine = new Machine({
      random: createRandom(),
      settings: { keyLengthHiding: false, auditLimit: undefined },
      now: () => this.now,
      tlsPort: false,
      hostList: undefined,
      log() {},
    });
    this.vault = new Vault(this.machine, this.folder, () => {
      this.hostsCutOff += 1;
    });
    CeremonyHsm.#opened.push(this.vault);
    this.ceremonies = new Ceremonies(this.vault, quickStretch);
    this.#softHsm = new SoftHsm(this.machine);
    this.vault.rest();
  }

  async restart(): Promise<void> {
    await this.vault.close();
    this.start();
  }

  get management(): Management {
    return { vault: this.vault, ceremonies: this.ceremonies };
  }

  /** A management command; `payload` goes with it. */
  async manage(command: string, parameters: object = {}, payload: Uint8Array = Buffer.alloc(0)) {
    const message = { line: { command, ...parameters }, payload: Buffer.from(payload) };
    return manage(this.management, message);
  }

  /** Initialises it with these custodians, one name for each share. */
  async initialise(custodians: readonly string[] = ['ann', 'bob', 'cleo'], threshold = 2): Promise<void> {
    const officers = this.officers.map(({ name, publicKey }) => ({ name, publicKey }));
    await this.manage('initialise', { officers, custodians, threshold });
    for (const custodian of custodians)
      await this.manage('take-share', { custodian }, passphraseOf(custodian));
  }

  async give(...custodians: string[]) {
    let line: Record<string, unknown> = {};
    for (const custodian of custodians) {
      ({ line } = await this.manage('give-share', { custodian }, passphraseOf(custodian)));
    }
    return line;
  }

  /** An order in force now, with the details of its act. */
  order(act: string, details: object = {}): Order {
    nonces += 1;
    return {
      v: 1,
      hsm: this.vault.configurationFile!.configuration.hsmId,
      act,
      notBefore: new Date(this.now.getTime() - 60_000).toISOString(),
      expiry: new Date(this.now.getTime() + 3_600_000).toISOString(),
      nonce: String(nonces).padStart(32, '0'),
      purpose: 'test',
      ticket: 'T-1',
      ...details,
    };
  }

  signed(order: Order, officers: readonly TestOfficer[] = this.officers): SignedOrder {
    return { order, signatures: officers.map((officer) => officer.sign(order)) };
  }

  /** Gives an order that both officers sign. */
  async command(act: string, details: object = {}) {
    return (await this.manage('order', { signed: this.signed(this.order(act, details)) })).line;
  }

  /** Lets `hostId` give every command. */
  async admitHost(): Promise<void> {
    const host = { name: 'kdh', id: this.hostId, commands: '*', usages: '*', lmkIds: '*' };
    await this.command('set-hosts', { hosts: [host] });
  }

  /** A host command without header; the answer after the header. */
  async call(command: string): Promise<string> {
    const message = Buffer.from(`HEAD${command}`, 'latin1');
    const answer = await this.#softHsm.answer(message, this.machine.hosts.get(this.hostId)!);
    return answer!.subarray(4).toString('latin1');
  }
}

/** An HSM that is open, with these custodians. */
export async function initialised(custodians?: string[], threshold?: number): Promise<CeremonyHsm> {
  const hsm = new CeremonyHsm();
  await hsm.initialise(custodians, threshold);
  return hsm;
}

/** The code that a management act is refused with, or `done`. */
export async function codeOf(action: () => unknown): Promise<string> {
  try {
    await action();
  } catch (error) {
    return codeOfRefusal(error);
  }
  return 'done';
}

export function recordsOf({ folder }: CeremonyHsm): AuditRecord[] {
  return linesOf(folder.auditLog).map((line) => parseRecord(line)!);
}

/** The events of the audit log, and of management acts their names. */
export function eventsOf(hsm: CeremonyHsm): string[] {
  return recordsOf(hsm).map((record) => (record.event === 'management' ? record.command : record.event));
}
