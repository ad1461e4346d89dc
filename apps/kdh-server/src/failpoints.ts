import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Named places where a test can make this process die, fail or wait: before and after each commit that moves something
 * and each effect on the outside world. They do nothing unless the process was started with `KDH_FAILPOINTS`, and not
 * before it has been sent SIGUSR2; the start is refused unless the HSM works under a public test LMK.
 * docs/reliability.md.
 */
export const failpointNames = [
  // commits
  'outbox.insert',
  'outbox.relay',
  'ksn.reserve',
  'derive.intent',
  'wrap.store',
  'sent.commit',
  'confirm.commit',
  'unknown.resolve',
  'sweep.commit',
  'epoch.bump',
  'bind.commit',
  'first-key.request',
  'freeze.commit',
  'revoke.commit',
  'seal.assign',
  // effects
  'queue.add',
  'job.start',
  'hsm.request',
  'precheck',
  'socket.write',
  'result.received',
  'checkpoint.sign',
  'checkpoint.publish',
] as const;
export type FailpointName = (typeof failpointNames)[number];

type Side = 'before' | 'after';
type Action = 'kill' | 'throw' | 'hang' | 'hold' | 'twice' | 'delay';

interface Armed {
  name: FailpointName;
  side: Side;
  action: Action;
  /** Of `delay`. */
  milliseconds: number;
  /** Acts at this hit only, counted from 1; absent: at every hit. */
  onlyHit?: number;
  hits: number;
}

export type FailpointErrorCode = 'FAILPOINTS_INVALID' | 'FAILPOINTS_LIVE_HSM' | 'FAILPOINT';

export class FailpointError extends Error {
  readonly code: FailpointErrorCode;
  constructor(code: FailpointErrorCode, message: string) {
    super(message);
    this.name = 'FailpointError';
    this.code = code;
  }
}

/** Check values of the public test LMKs, AES and 3DES (soft-hsm `--test-lmk`; rkbalgi/libiso): they protect nothing. */
const testLmkCheckValues: ReadonlySet<string | undefined> = new Set(['9D04A0', '165126']);

/** Before `kill`: time for bytes that should not have been written yet to reach whoever must not have them yet. */
const FLUSH_MILLISECONDS = 50;

let armed: Armed[] = [];
/** Let go whoever stands at a `hold`. */
const held: (() => void)[] = [];

/**
 * What `specification` lists: `NAME:before|after=ACTION[#HIT]`, separated by commas; ACTION is `kill` (SIGKILL to this
 * process), `throw`, `hang`, `hold`, `twice` (the effect once more) or `delay MILLISECONDS`. Returns what arms it, and called
 * again lets go what is held.
 * @param lmkCheckValue of the HSM that this process works with
 */
export function readFailpoints(specification: string, lmkCheckValue: string | undefined): () => void {
  if (!testLmkCheckValues.has(lmkCheckValue)) {
    throw new FailpointError('FAILPOINTS_LIVE_HSM', 'KDH_FAILPOINTS is for tests: the LMK is no test LMK');
  }
  const points = specification.split(',').map((part) => parse(part.trim()));
  return () => {
    armed = points;
    for (const letGo of held.splice(0)) letGo();
  };
}

const form =
  /^(?<name>[a-z.-]+):(?<side>before|after)=(?<action>kill|throw|hang|hold|twice|delay (?<ms>\d{1,5}))(#(?<hit>\d{1,4}))?$/;

function parse(text: string): Armed {
  const found = form.exec(text)?.groups;
  const name = failpointNames.find((known) => known === found?.['name']);
  if (!found || !name) {
    throw new FailpointError(
      'FAILPOINTS_INVALID',
      `KDH_FAILPOINTS: NAME:before|after=ACTION[#HIT] expected, not "${text}"; names: ${failpointNames.join(' ')}`,
    );
  }
  return {
    name,
    side: found['side'] as Side,
    action: found['action']!.split(' ')[0] as Action,
    milliseconds: Number(found['ms'] ?? 0),
    ...(found['hit'] && { onlyHit: Number(found['hit']) }),
    hits: 0,
  };
}

/** Runs `effect` with what is armed before and after it under this name; nothing is, in production. */
export async function failpoint<T>(name: FailpointName, effect: () => Promise<T>): Promise<T> {
  if (armed.length === 0) return effect();
  await act(name, 'before', effect);
  const result = await effect();
  await act(name, 'after', effect);
  return result;
}

async function act(name: FailpointName, side: Side, effect: () => Promise<unknown>): Promise<void> {
  for (const point of armed) {
    if (point.name !== name || point.side !== side) continue;
    point.hits += 1;
    if (point.onlyHit !== undefined && point.hits !== point.onlyHit) continue;
    switch (point.action) {
      case 'kill':
        await sleep(FLUSH_MILLISECONDS);
        process.kill(process.pid, 'SIGKILL');
        return forever();
      case 'hang':
        return forever();
      case 'hold':
        await new Promise<void>((letGo) => held.push(letGo));
        break;
      case 'throw':
        throw new FailpointError('FAILPOINT', `failpoint ${name}:${side}`);
      case 'twice':
        await effect();
        break;
      case 'delay':
        await sleep(point.milliseconds);
    }
  }
}

function forever(): Promise<never> {
  return new Promise(() => {});
}
