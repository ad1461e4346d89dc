import { type AnswerCode, Refusal } from '../answer-codes.ts';
import { OutstandingNonces } from '../tr34/nonces.ts';
import type { HostEntry } from './host-list.ts';
import { TokenBucket } from './token-bucket.ts';

/** A host that sends many broken key blocks, or asks for much that is not authorised, is shut out: code 39. */
const suspiciousCodes: readonly AnswerCode[] = ['A4', '17'];
const suspiciousLimit = 20;
const suspiciousWindowMs = 60_000;
const lockoutMs = 600_000;

/** A host that is connected: who it is, what it may do, and what it has done lately. Shared by its connections. */
export class Host {
  readonly id: string;
  readonly name: string;
  /** Of TR-34, in the role of the KRD. */
  readonly outstandingNonces: OutstandingNonces;
  #entry: HostEntry;
  readonly #now: () => number;
  readonly #buckets = new Map<string, TokenBucket>();
  /** When the suspicious answers of the last window were given. */
  #suspicious: number[] = [];
  #lockedUntil = 0;

  constructor(entry: HostEntry, now: () => number) {
    this.id = entry.id;
    this.name = entry.name;
    this.#entry = entry;
    this.#now = now;
    this.outstandingNonces = new OutstandingNonces(now);
  }

  /** Gives the host other permissions, at once and on all its connections. */
  change(entry: HostEntry): void {
    this.#entry = entry;
    this.#buckets.clear();
  }

  /** Refuses a command that the host may not give with 68, and one above its rate with 41. */
  requireCommand(code: string): void {
    if (!permits(this.#entry.commands, code)) throw new Refusal('68', `${this.name} may not give ${code}`);
    const rate = this.#entry.rates[code];
    if (rate !== undefined && !this.#bucket(code, rate).take()) {
      throw new Refusal('41', `${this.name} gives more than ${rate} ${code} per second`);
    }
  }

  /** Refuses with A6 a key usage that the host may not have to do with. */
  requireUsage(keyUsage: string): void {
    if (!permits(this.#entry.usages, keyUsage))
      throw new Refusal('A6', `${this.name} may not use ${keyUsage}`);
  }

  /** Refuses with 13 an LMK that the host may not use. */
  requireLmk(id: string): void {
    if (!permits(this.#entry.lmkIds, id)) throw new Refusal('13', `${this.name} may not use LMK ${id}`);
  }

  /** Refuses with 39 while the host is shut out. */
  requireTrust(): void {
    if (this.locked) throw new Refusal('39', `${this.name} is shut out`);
  }

  /** Takes note of an answer. */
  answered(code: AnswerCode): void {
    if (!suspiciousCodes.includes(code)) return;
    const now = this.#now();
    this.#suspicious = [...this.#suspicious.filter((at) => at > now - suspiciousWindowMs), now];
    if (this.#suspicious.length >= suspiciousLimit) this.#lockedUntil = now + lockoutMs;
  }

  get locked(): boolean {
    return this.#now() < this.#lockedUntil;
  }

  #bucket(code: string, rate: number): TokenBucket {
    let bucket = this.#buckets.get(code);
    if (bucket === undefined) {
      bucket = new TokenBucket(rate, this.#now);
      this.#buckets.set(code, bucket);
    }
    return bucket;
  }
}

function permits(list: readonly string[] | '*', item: string): boolean {
  return list === '*' || list.includes(item);
}
