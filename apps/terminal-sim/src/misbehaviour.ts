import type { KdhMessage, LoadResult, SlotResult, TerminalMessage } from '@openkdh/terminal-protocol';
import { endpointPath, protocolLimits, subprotocol } from '@openkdh/terminal-protocol';
import { TerminalSimError } from './errors.ts';
import type { Report } from './terminal.ts';

/** How a connection behaves at the points where a terminal can do otherwise. */
export interface Behaviour {
  /** The client certificate: the terminal's own, none, one of an unknown CA, or the terminal's signing certificate. */
  readonly certificate: 'own' | 'none' | 'foreign' | 'wrong-purpose';
  readonly path: string;
  readonly subprotocols: readonly string[];
  readonly answersPings: boolean;
  /** Waits so long before it looks at a message. */
  readonly delayMs: number;
  /** On a message that arrived: handle it, leave it, or drop the connection with it unread. */
  arriving(type: KdhMessage['t']): 'handle' | 'ignore' | 'disconnect';
  /** A key block on its way into the secure processor. */
  keyBlock(tr31: string): string;
  /** A result before it is signed and stored. */
  report(report: Report): Report;
  /** The signature of a result. */
  signature(signature: Uint8Array): Uint8Array;
  /** What is sent for a message that is due; what it had to store is stored. `sign` makes a result of a report. */
  leaving(
    message: TerminalMessage,
    sign: (report: Report) => LoadResult,
  ): readonly TerminalMessage[] | 'disconnect';
  /** What is written for a frame, text or binary. */
  frames(frame: string, type: TerminalMessage['t']): readonly (string | Uint8Array)[];
}

/** A terminal that keeps to the protocol. */
export const honest: Behaviour = {
  certificate: 'own',
  path: endpointPath,
  subprotocols: [subprotocol],
  answersPings: true,
  delayMs: 0,
  arriving: () => 'handle',
  keyBlock: (tr31) => tr31,
  report: (report) => report,
  signature: (signature) => signature,
  leaving: (message) => [message],
  frames: (frame) => [frame],
};

interface Misbehaviour {
  readonly does: string;
  /** What stands after the `=`, and what is taken when nothing does. */
  readonly argument?: { readonly name: string; readonly otherwise?: string };
  /** Made anew for each connection, so that it can count what it did. Undefined: not a possible argument. */
  make(argument: string): Partial<Behaviour> | undefined;
}

/** Every way to misbehave on request. Names are stable: tests and docs/terminal-sim.md use them. */
export const misbehaviours: Readonly<Record<string, Misbehaviour>> = {
  'no-certificate': {
    does: 'connects without a client certificate',
    make: () => ({ certificate: 'none' }),
  },
  'foreign-certificate': {
    does: 'connects with a certificate of a CA that nobody knows, with its own serial number in it',
    make: () => ({ certificate: 'foreign' }),
  },
  'wrong-purpose-certificate': {
    does: 'connects with its result signing certificate',
    make: () => ({ certificate: 'wrong-purpose' }),
  },
  'wrong-path': {
    does: 'asks for another path',
    make: () => ({ path: '/elsewhere' }),
  },
  'no-subprotocol': {
    does: 'offers no subprotocol',
    make: () => ({ subprotocols: [] }),
  },
  silent: {
    does: 'connects and never says anything',
    make: () => ({ leaving: () => [] }),
  },
  'no-pong': {
    does: 'does not answer pings',
    make: () => ({ answersPings: false }),
  },
  slow: {
    does: 'waits so many milliseconds before it looks at each message',
    argument: { name: 'MS', otherwise: '2000' },
    make: (argument) => (/^[1-9]\d{0,5}$/.test(argument) ? { delayMs: Number(argument) } : undefined),
  },
  'wrong-serial': {
    does: 'says another serial number in HELLO than its certificate does',
    make: () => ({ leaving: onType('HELLO', (b) => [{ t: 'HELLO', b: { ...b, serial: 'NOT-MY-SERIAL' } }]) }),
  },
  'disconnect-at': {
    does: 'drops the connection in place of handling, or of sending, a message of this type',
    argument: { name: 'TYPE' },
    make: (argument) =>
      /^[A-Z_]+$/.test(argument)
        ? {
            arriving: (type) => (type === argument ? 'disconnect' : 'handle'),
            leaving: (message) => (message.t === argument ? 'disconnect' : [message]),
          }
        : undefined,
  },
  'replay-frame': {
    does: 'sends every frame after HELLO twice, byte for byte',
    make: () => ({ frames: (frame, type) => (type === 'HELLO' ? [frame] : [frame, frame]) }),
  },
  'out-of-order': {
    does: 'numbers its frames after HELLO as if one had been lost',
    make: () => ({
      frames: (frame, type) => [
        type === 'HELLO' ? frame : frame.replace(/"seq":(\d+)/, (_, seq) => `"seq":${Number(seq) + 1}`),
      ],
    }),
  },
  garbage: {
    does: 'sends text that is no JSON before its first frame after HELLO',
    make: () => before(['\u0000 this is no JSON {"']),
  },
  malformed: {
    does: 'leaves a required member out of every frame after HELLO',
    make: () => ({
      frames: (frame, type) => [type === 'HELLO' ? frame : frame.replace(/"b":.*$/s, '"b":{}}')],
    }),
  },
  'unknown-type': {
    does: 'sends every frame after HELLO under a type that does not exist',
    make: () => ({
      frames: (frame, type) => [type === 'HELLO' ? frame : frame.replace(/"t":"\w+"/, '"t":"MAKE_COFFEE"')],
    }),
  },
  oversize: {
    does: 'sends a frame one byte longer than allowed before its first frame after HELLO',
    make: () => before(['x'.repeat(protocolLimits.maxFrameBytes + 1)]),
  },
  binary: {
    does: 'sends a binary frame before its first frame after HELLO',
    make: () => before([Uint8Array.of(0, 1, 2, 3)]),
  },
  'no-result': {
    does: 'loads keys and never says so',
    make: () => ({ leaving: onType('LOAD_RESULT', () => []) }),
  },
  'duplicate-result': {
    does: 'sends every result twice',
    make: () => ({
      leaving: onType('LOAD_RESULT', (b) => [
        { t: 'LOAD_RESULT', b },
        { t: 'LOAD_RESULT', b },
      ]),
    }),
  },
  'conflicting-result': {
    does: 'sends every result twice, the second time with other KCVs, both well signed',
    make: () => ({
      leaving: onType('LOAD_RESULT', (b, sign) => [
        { t: 'LOAD_RESULT', b },
        { t: 'LOAD_RESULT', b: sign({ ...b, results: b.results.map(withWrongKcv) }) },
      ]),
    }),
  },
  'flip-result': {
    does: 'changes the KCVs of every result after it was signed',
    make: () => ({
      leaving: onType('LOAD_RESULT', (b) => [
        { t: 'LOAD_RESULT', b: { ...b, results: b.results.map(withWrongKcv) } },
      ]),
    }),
  },
  'wrong-signature': {
    does: 'signs every result wrongly',
    make: () => ({ signature: (signature) => signature.with(-1, signature.at(-1)! ^ 1) }),
  },
  'wrong-kcv': {
    does: 'says other KCVs than those of its keys, and signs that',
    make: () => ({ report: (report) => ({ ...report, results: report.results.map(withWrongKcv) }) }),
  },
  'wrong-plan-hash': {
    does: 'names another plan in its results, and signs that',
    make: () => ({ report: (report) => ({ ...report, planHash: '0'.repeat(64) }) }),
  },
  'wrong-nonce': {
    does: 'names another nonceK2 in its results, and signs that',
    make: () => ({ report: (report) => ({ ...report, nonceK2: Buffer.alloc(16).toString('base64') }) }),
  },
  'missing-slot': {
    does: 'leaves the last slot out of a result of several, and signs that',
    make: () => ({
      report: (report) => ({
        ...report,
        results: report.results.slice(0, Math.max(report.results.length - 1, 1)),
      }),
    }),
  },
  'flip-block': {
    does: 'has a bit turned over in every key block before it is unwrapped',
    make: () => ({ keyBlock: withFlippedBit }),
  },
};

/** Which terminals misbehave, how, and for how many connections. */
export interface Misdemeanour {
  readonly make: () => Partial<Behaviour>;
  /** Undefined: every terminal. */
  readonly serial?: string;
  /** The first so many connections of a terminal; the later ones are honest. */
  readonly connections: number;
}

/** Every name with the argument that it takes, as it is written on the command line. */
export const misbehaviourForms: readonly (readonly [form: string, does: string])[] = Object.entries(
  misbehaviours,
).map(([name, { argument, does }]) => [argument ? `${name}=${argument.name}` : name, does]);

/** Reads `NAME[=ARGUMENT][*CONNECTIONS][@SERIAL]`. @throws TerminalSimError BAD_ARGUMENT */
export function parseMisbehaviour(text: string): Misdemeanour {
  const parts = /^([a-z-]+)(?:=([A-Za-z0-9_-]+))?(?:\*([1-9]\d{0,5}))?(?:@([A-Z0-9-]+))?$/.exec(text);
  const [, name = '', given, connections, serial] = parts ?? [];
  const misbehaviour = Object.hasOwn(misbehaviours, name) ? misbehaviours[name] : undefined;
  const argument = given ?? misbehaviour?.argument?.otherwise ?? '';
  if (!misbehaviour?.make(argument) || (given !== undefined && !misbehaviour.argument)) {
    const forms = misbehaviourForms.map(([form]) => form).join(', ');
    throw new TerminalSimError('BAD_ARGUMENT', `--misbehave: one of ${forms} expected`);
  }
  return {
    make: () => misbehaviour.make(argument)!,
    connections: connections ? Number(connections) : Number.POSITIVE_INFINITY,
    ...(serial && { serial }),
  };
}

/** The behaviour of the nth connection (from 1) of a terminal. */
export function behaviourOf(
  misdemeanours: readonly Misdemeanour[],
  serial: string,
  connection: number,
): Behaviour {
  const own = misdemeanours.filter(
    (one) => (one.serial ?? serial) === serial && connection <= one.connections,
  );
  return Object.assign({}, honest, ...own.map(({ make }) => make()));
}

type BodyOf<T extends TerminalMessage['t']> = Extract<TerminalMessage, { t: T }>['b'];

/** Replaces the messages of one type by what `change` makes of their body. */
function onType<T extends TerminalMessage['t']>(
  type: T,
  change: (b: BodyOf<T>, sign: (report: Report) => LoadResult) => TerminalMessage[],
): Behaviour['leaving'] {
  return (message, sign) => (message.t === type ? change(message.b as BodyOf<T>, sign) : [message]);
}

/** Puts frames before the first one after HELLO. */
function before(extra: (string | Uint8Array)[]): Partial<Behaviour> {
  const waiting = [...extra];
  return { frames: (frame, type) => (type === 'HELLO' ? [frame] : [...waiting.splice(0), frame]) };
}

function withWrongKcv(result: SlotResult): SlotResult {
  const { kcv } = result;
  return kcv ? { ...result, kcv: (kcv[0] === '0' ? '1' : '0') + kcv.slice(1) } : result;
}

/** Another hex digit in the middle of the encrypted part. */
function withFlippedBit(tr31: string): string {
  const at = tr31.length - 24;
  const digit = Number.parseInt(tr31[at]!, 16) ^ 1;
  return tr31.slice(0, at) + digit.toString(16).toUpperCase() + tr31.slice(at + 1);
}
