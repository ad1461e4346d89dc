import { setTimeout as sleep } from 'node:timers/promises';
import type { PartName, Stack } from '../support/stack.ts';
import { type FaultyProxy, fairWeather } from './proxy.ts';
import type { Random } from './random.ts';

/** What a soak does to a system, and how often it did. */
export class Faults {
  readonly counts: Record<string, number> = {};
  readonly #stack: Stack;
  readonly #proxy: FaultyProxy;
  readonly #random: Random;
  /** Terminals that may be revoked. */
  #revocable: string[];

  constructor(stack: Stack, proxy: FaultyProxy, random: Random, revocable: string[]) {
    this.#stack = stack;
    this.#proxy = proxy;
    this.#random = random;
    this.#revocable = revocable;
  }

  /** One fault or one act of an operator, chosen by chance; loads come most often. */
  async next(terminals: string[]): Promise<void> {
    const dice = this.#random.below(100);
    if (dice < 45) await this.#load(terminals);
    else if (dice < 57) await this.#weather();
    else if (dice < 67) await this.#kill(this.#node());
    else if (dice < 73) await this.#kill('soft-hsm');
    else if (dice < 76) await this.#kill('postgres');
    else if (dice < 78) await this.#kill(this.#stack.redisUrl ? 'redis' : 'postgres');
    else if (dice < 83) await this.#kill('terminal-sim');
    else if (dice < 89) await this.#pause(this.#random.pick([this.#node(), 'soft-hsm', 'terminal-sim']));
    else if (dice < 94) await this.#freeze();
    else if (dice < 98) await this.#suspend(this.#random.pick(terminals));
    else await this.#revoke();
  }

  /** Ends every fault that lasts, and whatever an operator has stopped. */
  async calm(): Promise<void> {
    this.#proxy.weather = fairWeather;
    this.#proxy.resetAll();
    const { api } = this.#stack;
    for (const { id, state } of await api.get<{ id: string; state: string }[]>('/bdks')) {
      if (state === 'FROZEN') await api.post(`/bdks/${id}/release`, { reason: 'end of the soak' });
    }
    const suspended = '/terminals?state=SUSPENDED&limit=200';
    for (const { id } of await api.get<{ id: string }[]>(suspended)) {
      await api.post(`/terminals/${id}/resume`, { reason: 'end of the soak' });
    }
    // Suspended terminals stay off until they are switched on again, the others have learned to wait long.
    await this.#stack.kill9('terminal-sim');
    await this.#stack.startPart('terminal-sim');
  }

  #node(): PartName {
    return this.#random.pick([...this.#stack.nodes]).name;
  }

  async #load(terminals: string[]): Promise<void> {
    const terminalIds = new Set<string>();
    for (let n = 1 + this.#random.whole(40); n > 0; n -= 1) terminalIds.add(this.#random.pick(terminals));
    // One by one: in a batch, one terminal with an open load would stop all others.
    const asked = [...terminalIds].map((terminalId) => this.#ask('/loads', 'loads', { terminalId }));
    await Promise.all(asked);
  }

  async #weather(): Promise<void> {
    this.#count('weather');
    const share = (): number => (this.#random.chance(0.5) ? this.#random.below(0.25) : 0);
    this.#proxy.weather = {
      refuse: share(),
      reset: share(),
      halfClose: share(),
      blackHole: share(),
      delayMs: this.#random.pick([0, 0, 20, 200]),
    };
    if (this.#random.chance(0.3)) this.#proxy.resetAll();
  }

  async #kill(part: PartName): Promise<void> {
    this.#count(`kill ${part}`);
    await this.#stack.kill9(part);
    await sleep(this.#random.below(2_000));
    await this.#stack.startPart(part);
  }

  /** Stops a process where it stands and lets it go on, as a machine does that swaps or moves. */
  async #pause(part: PartName): Promise<void> {
    this.#count(`pause ${part}`);
    const pid = this.#stack.pidOf(part);
    process.kill(pid, 'SIGSTOP');
    await sleep(500 + this.#random.below(8_000));
    process.kill(pid, 'SIGCONT');
  }

  async #freeze(): Promise<void> {
    const bdks = await this.#stack.api.get<{ id: string }[]>('/bdks').catch(() => []);
    if (bdks.length === 0) return;
    const { id } = this.#random.pick(bdks);
    await this.#ask(`/bdks/${id}/freeze`, 'freeze');
    await sleep(this.#random.below(3_000));
    await this.#ask(`/bdks/${id}/release`, 'release');
  }

  async #suspend(terminal: string): Promise<void> {
    await this.#ask(`/terminals/${terminal}/suspend`, 'suspend');
    await sleep(this.#random.below(2_000));
    await this.#ask(`/terminals/${terminal}/resume`, 'resume');
  }

  async #revoke(): Promise<void> {
    const [terminal, ...others] = this.#revocable;
    if (terminal === undefined) return;
    this.#revocable = others;
    await this.#ask(`/terminals/${terminal}/revoke`, 'revoke');
  }

  /** An answer may be lost, and what was asked for may be impossible now: both are part of the soak. */
  async #ask(path: string, what: string, body: object = {}): Promise<void> {
    const answered = this.#stack.api.post(path, { ...body, reason: 'soak' });
    await answered.then(
      () => this.#count(what),
      () => this.#count(`${what} refused or lost`),
    );
  }

  #count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }
}
