import type { KeyObject } from 'node:crypto';
import { wipe } from '@openkdh/block-ciphers';
import type { ThalesUnwrapped } from '@openkdh/tr31/thales';
import { type AsymmetricAlgorithm, importPrivateKey } from '../asymmetric/keys.ts';
import type { GrantedAct } from '../ceremony/grants.ts';
import type { Host } from '../hosts/host.ts';
import { type KeyRule, requireStrength, requireUse } from '../keys/key-rules.ts';
import {
  makeBinaryKeyBlock,
  makeKeyBlock,
  type NewKeyBlock,
  openBinaryKeyBlock,
  openKeyBlock,
} from '../lmk/key-block.ts';
import { fingerprintOf, type WorkingKey } from '../lmk/key-cache.ts';
import type { Lmk } from '../lmk/lmk.ts';
import type { Machine } from '../machine.ts';
import type { OutstandingNonces } from '../tr34/nonces.ts';

/** One command under way: the inside of the HSM, and a note of every key block that goes in or comes out. */
export class CommandScope {
  readonly hsm: Machine;
  readonly keysIn: string[] = [];
  readonly keysOut: string[] = [];
  /** The grant that the command has used up one of. */
  grant: string | undefined;
  readonly #host: Host;

  constructor(hsm: Machine, host: Host) {
    this.hsm = hsm;
    this.#host = host;
  }

  /** The LMK that the command names, or the default. 13 for one that is not loaded, or not for this host. */
  lmk(id: string | undefined): Lmk {
    const lmk = this.hsm.lmks.get(id);
    this.#host.requireLmk(lmk.id);
    return lmk;
  }

  /** Under dual control, refuses with 17 what two officers have not granted this host. The last check of a command. */
  requireGrant(act: GrantedAct, keyUsage: string, lmk: Lmk): void {
    this.grant = this.hsm.dualControl?.grants.use(act, keyUsage, this.#host.id, lmk.id);
  }

  /** The nonces that this host has sent to a KDH. */
  get outstandingNonces(): OutstandingNonces {
    return this.#host.outstandingNonces;
  }

  /** Opens a key block whatever its key is for. The key belongs to the cache: use it at once, do not wipe it. */
  open(lmk: Lmk, block: string): WorkingKey {
    const key = this.hsm.keys.open(lmk, block);
    this.keysIn.push(key.fingerprint);
    this.#host.requireUsage(key.header.keyUsage);
    return key;
  }

  /** As `open`, for one kind of use. */
  openFor(rule: KeyRule, lmk: Lmk, block: string): WorkingKey {
    const key = this.open(lmk, block);
    requireUse(key.header, rule);
    return key;
  }

  /** The DER in a block with a binary body, for one kind of use. The caller wipes it. */
  openBinary(rule: KeyRule, lmk: Lmk, block: Uint8Array): Uint8Array {
    return this.#permitted(rule, openBinaryKeyBlock(lmk, block), block);
  }

  /** An HMAC key, for one kind of use. It is not kept in the cache: the caller wipes it. */
  openHmacKey(rule: KeyRule, lmk: Lmk, block: string): Uint8Array {
    return this.#permitted(rule, openKeyBlock(lmk, block), block);
  }

  #permitted(rule: KeyRule, { header, key }: ThalesUnwrapped, block: string | Uint8Array): Uint8Array {
    this.keysIn.push(fingerprintOf(block));
    try {
      this.#host.requireUsage(header.keyUsage);
      requireUse(header, rule);
      return key;
    } catch (error) {
      wipe(key);
      throw error;
    }
  }

  /** A private key, for one kind of use. */
  openPrivateKey(rule: KeyRule, lmk: Lmk, block: Uint8Array): KeyObject {
    const der = this.openBinary(rule, lmk, block);
    try {
      return importPrivateKey(rule.algorithms as AsymmetricAlgorithm, der);
    } finally {
      wipe(der);
    }
  }

  /** `key` as a new key block under the LMK, with its tag. Refuses with BB a key that is stronger than the LMK. */
  wrapUnderLmk(lmk: Lmk, header: NewKeyBlock, algorithm: { strengthBits: number }, key: Uint8Array): string {
    this.#host.requireUsage(header.keyUsage);
    requireStrength(lmk, algorithm);
    return this.released('S', makeKeyBlock(lmk, header, key, this.hsm.random));
  }

  /** `der` as a new key block with a binary body, with its tag. */
  wrapBinaryUnderLmk(lmk: Lmk, header: NewKeyBlock, der: Uint8Array): Uint8Array {
    this.#host.requireUsage(header.keyUsage);
    const block = makeBinaryKeyBlock(lmk, header, der, this.hsm.random);
    this.keysOut.push(fingerprintOf(block));
    return Buffer.concat([Buffer.from('S', 'latin1'), block]);
  }

  /** Notes a block that is part of the answer and returns it with its tag. */
  released(tag: 'S' | 'R', block: string): string {
    this.keysOut.push(fingerprintOf(block));
    return tag + block;
  }
}
