import {
  type Bind,
  type BindChallenge,
  type Inventory,
  inventoryDigest,
  type KdhMessage,
  type LoadKbpk,
  type LoadKeys,
  type LoadResult,
  loadResultSignedBytes,
  ProtocolError,
  planHash,
  protocolCodes,
  type Query,
  type Received,
  type SlotResult,
  type TerminalMessage,
  tokenHash,
  type Welcome,
} from '@openkdh/terminal-protocol';
import { buildRandomToken } from '@openkdh/tr34';
import { eraseSlot, openKeyBlock } from './key-block.ts';
import {
  krdFingerprint,
  OutstandingNonce,
  openCredential,
  openKbpk,
  terminalCredential,
} from './key-transport.ts';
import type { BoundKdh, Change, Slot, TerminalRecord } from './record.ts';

/**
 * The rules of one terminal: what it keeps, what it refuses, what it answers. Nothing here does I/O. The caller
 * commits `Decision.change` and only then sends, so that what the terminal says holds after a power cut as well.
 */

/** What a terminal knows of one connection. */
export interface Conversation {
  /** Epoch from WELCOME; 0 before it. */
  readonly epoch: number;
  /** The KDH that showed its credential in BIND_CHALLENGE; bound once it says BIND. */
  readonly candidate?: BoundKdh;
}

export interface Terminal {
  readonly serial: string;
  readonly record: TerminalRecord;
  readonly conversation: Conversation;
}

/** A result before it is signed. */
export type Report = Omit<LoadResult, 'signature'>;

/** What a decision needs from outside. */
export interface Surroundings {
  readonly now: Date;
  randomBytes(length: number): Uint8Array;
  /** Signs with the terminal's signing key: ECDSA P-256 with SHA-256, DER. */
  sign(bytes: Uint8Array): Uint8Array;
  /** A key block on its way into the secure processor: the same, unless a fault is simulated. */
  keyBlock(tr31: string): string;
  /** A result before it is signed: the same, in a terminal that tells the truth. */
  report(report: Report): Report;
}

export interface Decision {
  /** To be stored in one piece, before anything of `send` leaves. */
  readonly change?: Change;
  readonly conversation?: Partial<Conversation>;
  /** In this order; those with `re` answer the message that was received. */
  readonly send?: readonly { message: TerminalMessage; re?: string }[];
}

export const model = 'OpenKDH simulator';
const nonceBytes = 16;

/** The first message of a connection. `nonceD`: 16 bytes. */
export function hello(serial: string, record: TerminalRecord, nonceD: Uint8Array): TerminalMessage {
  const { boundKdh } = record;
  return {
    t: 'HELLO',
    b: {
      serial,
      model,
      hardware: '1',
      firmware: '0.1.0',
      capabilities: {
        tr34: ['2pass'],
        tr31: ['B', 'D'],
        algorithms: ['T2', 'T3', 'A128', 'A192', 'A256'],
        slots: 16,
      },
      bindState: boundKdh ? { kdhCertificateFingerprint: boundKdh.fingerprint } : null,
      nonceD: base64(nonceD),
      inventoryDigest: inventoryDigest(inventoryOf(record).slots),
    },
  };
}

/**
 * What the terminal does about a message of the KDH.
 * @throws ProtocolError a refusal to be told the KDH, with `re`; nothing is stored then
 */
export async function receive(
  terminal: Terminal,
  message: Received<KdhMessage>,
  around: Surroundings,
): Promise<Decision> {
  try {
    return await decide(terminal, message, around);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    const { code, message: detail, fatal } = error;
    throw new ProtocolError(code, detail, { fatal, re: message.id });
  }
}

async function decide(
  terminal: Terminal,
  message: Received<KdhMessage>,
  around: Surroundings,
): Promise<Decision> {
  switch (message.t) {
    case 'WELCOME':
      return onWelcome(terminal, message.b, around);
    case 'BIND_CHALLENGE':
      return onBindChallenge(terminal, message.b, message.id, around);
    case 'BIND':
      return onBind(terminal, message.b);
    case 'LOAD_KBPK':
      return onLoadKbpk(terminal, message.b, message.id, around);
    case 'LOAD_KEYS':
      return onLoadKeys(terminal, message.b, message.id, around);
    case 'LOAD_ACK':
      return { change: { verdict: message.b } };
    case 'QUERY':
      return onQuery(terminal, message.b, message.id);
    case 'KICK':
    case 'ERROR':
      return {}; // concern the connection only
  }
}

/** Whether the terminal has initial keys and the KDH has acknowledged every result. */
export function isLoaded(record: TerminalRecord): boolean {
  return holds(record, 'B1') && record.results.every(({ verdict }) => verdict !== undefined);
}

/** Fills the keys that were replaced with zeros. Called once `after` is stored. */
export function eraseReplaced(before: TerminalRecord, after: TerminalRecord): void {
  for (const [name, slot] of Object.entries(before.slots)) {
    if (after.slots[name] !== slot) eraseSlot(slot);
  }
}

function onWelcome({ record }: Terminal, { epoch }: Welcome, around: Surroundings): Decision {
  if (epoch <= record.epoch) {
    throw new ProtocolError('SUPERSEDED_SESSION', `epoch above ${record.epoch} expected, ${epoch} came`);
  }
  const conversation = { epoch };
  const unacknowledged = record.results
    .filter(({ verdict }) => verdict === undefined)
    .map(({ result }) => ({ message: resultMessage(result) }));
  if (!record.boundKdh) {
    const token = base64(terminalCredential(record));
    return {
      change: { epoch },
      conversation,
      send: [...unacknowledged, { message: { t: 'BIND_REQ', b: { token } } }],
    };
  }
  if (holds(record, 'K1')) return { change: { epoch }, conversation, send: unacknowledged };
  // The KDH may not have heard the nonce, or may want to send the same token again.
  const nonce = outstandingNonce(record, around);
  return {
    change: { epoch, nonce },
    conversation,
    send: [...unacknowledged, { message: randomMessage(nonce) }],
  };
}

function onBindChallenge(
  { record }: Terminal,
  { token }: BindChallenge,
  re: string,
  around: Surroundings,
): Decision {
  const candidate = openCredential(Buffer.from(token, 'base64'), record, around.now);
  const nonce = outstandingNonce(record, around);
  return { change: { nonce }, conversation: { candidate }, send: [{ message: randomMessage(nonce), re }] };
}

function onBind({ record, conversation: { candidate } }: Terminal, bind: Bind): Decision {
  if (!candidate || bind.kdhCertificateFingerprint !== candidate.fingerprint) {
    throw new ProtocolError('BAD_TOKEN', 'BIND names another KDH than the one that showed its credential');
  }
  if (bind.krdCertificateFingerprint !== krdFingerprint(record)) {
    throw new ProtocolError('BAD_TOKEN', 'BIND names another KRD than this one');
  }
  return { change: { boundKdh: candidate } };
}

async function onLoadKbpk(
  terminal: Terminal,
  load: LoadKbpk,
  re: string,
  around: Surroundings,
): Promise<Decision> {
  const { record } = terminal;
  const hash = tokenHash(load.token);
  const earlier = earlierResult(terminal, load, hash);
  if (earlier) return { send: [{ message: resultMessage(earlier), re }] };

  const nonce = new OutstandingNonce(record.nonce);
  const opened = await keyOrCode(() => {
    refuseExpired(load, around);
    return openKbpk(Buffer.from(load.token, 'base64'), load.kcv, record, nonce, around.now);
  });
  if ('code' in opened) {
    // The token was not opened, so which of the KBPKs it would have been is not known.
    const refused = refuseLoad(terminal, load, hash, [{ slot: 'KBPK', code: opened.code }], re, around);
    return { ...refused, change: { ...refused.change, nonce: nonce.left } };
  }
  const { slot, boundKdh, ...key } = opened;
  const result = sign(terminal, load, hash, [{ slot, code: 0, kcv: key.kcv }], around);
  return {
    change: {
      boundKdh, // it remembers the CRL that came with the token
      slots: { [slot]: { ...key, ...loadedNow(load, around) } },
      result,
      nonce: nonce.left,
    },
    send: [{ message: resultMessage(result), re }],
  };
}

async function onLoadKeys(
  terminal: Terminal,
  load: LoadKeys,
  re: string,
  around: Surroundings,
): Promise<Decision> {
  const { record } = terminal;
  const hash = planHash(load.plan);
  // Not what the KDH hashed. Nothing is signed and the attempt is not used up: the right bytes may still come.
  if (hash !== load.planHash) throw new ProtocolError('PLAN_HASH', 'planHash is not the hash of the plan');
  const earlier = earlierResult(terminal, load, hash);
  if (earlier) return { send: [{ message: resultMessage(earlier), re }] };

  const opened: Record<string, Slot> = {};
  const refusals: SlotResult[] = [];
  for (const { tr31, ...entry } of load.plan) {
    const key = await keyOrCode(() => {
      refuseExpired(load, around);
      refuseSeenKsn(record, entry.ksn);
      // A KBPK opens the blocks that stand behind it in the same plan.
      return openKeyBlock({ ...entry, tr31: around.keyBlock(tr31) }, { ...record.slots, ...opened });
    });
    if ('code' in key) refusals.push({ slot: entry.slot, code: key.code });
    else opened[entry.slot] = { ...key, ...loadedNow(load, around) };
  }
  if (refusals.length > 0) {
    // All slots or none: the good keys of a refused plan are erased, and their results say that they are not stored.
    const others = Object.keys(opened).map((slot) => ({ slot, code: protocolCodes.STORAGE.number }));
    for (const slot of Object.values(opened)) eraseSlot(slot);
    return refuseLoad(terminal, load, hash, [...refusals, ...others], re, around);
  }
  const results = load.plan.map(({ slot, ksn }) => ({
    slot,
    code: 0,
    kcv: opened[slot]!.kcv,
    ...(ksn && { ksn }),
  }));
  const result = sign(terminal, load, hash, results, around);
  return {
    change: { slots: opened, result },
    send: [{ message: resultMessage(result), re }],
  };
}

function onQuery({ record }: Terminal, query: Query, re: string): Decision {
  if ('inventory' in query) return { send: [{ message: { t: 'INVENTORY', b: inventoryOf(record) }, re }] };
  const stored = record.results.find(({ result }) => result.attempt === query.attempt);
  if (!stored) throw new ProtocolError('UNKNOWN_ATTEMPT', 'no result of this attempt is stored');
  return { send: [{ message: resultMessage(stored.result), re }] };
}

/** The refusals that come before any look at the keys, and the result of an attempt that is already decided. */
function earlierResult(
  { record, conversation }: Terminal,
  { attempt, epoch }: LoadKbpk | LoadKeys,
  hash: string,
): LoadResult | undefined {
  if (!record.boundKdh) throw new ProtocolError('NOT_BOUND', 'the terminal is bound to no KDH');
  if (epoch !== conversation.epoch) {
    throw new ProtocolError('SUPERSEDED_SESSION', `epoch ${conversation.epoch} expected, ${epoch} came`);
  }
  const earlier = record.results.find(({ result }) => result.attempt === attempt)?.result;
  if (earlier && earlier.planHash !== hash) {
    throw new ProtocolError('KSN_SEEN', 'the attempt came before with other bytes');
  }
  return earlier;
}

/** The key, or the code with which its slot is refused. */
async function keyOrCode<T extends object>(open: () => T | Promise<T>): Promise<T | { code: number }> {
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof ProtocolError) || !isResultCode(error.number)) throw error;
    return { code: error.number };
  }
}

/** A result says 3xxx or 4xxx. */
const isResultCode = (number: number) => number >= 3001 && number <= 4999;

function refuseExpired({ expiresAt }: LoadKbpk | LoadKeys, { now }: Surroundings): void {
  if (Date.parse(expiresAt) <= now.getTime()) {
    throw new ProtocolError('EXPIRED', `before ${expiresAt} expected, now it is ${now.toISOString()}`);
  }
}

/** A KSN belongs to one load for ever, as far back as the terminal remembers. A KBPK has none. */
function refuseSeenKsn({ slots, results }: TerminalRecord, ksn: string | undefined): void {
  if (ksn === undefined) return;
  const held = Object.values(slots).some((slot) => slot.usage === 'B1' && slot.ksn === ksn);
  const reported = results.some(({ result }) =>
    result.results.some((one) => one.code === 0 && one.ksn === ksn),
  );
  if (held || reported) throw new ProtocolError('KSN_SEEN', 'the KSN was loaded before');
}

/** Stores the refusal as the result of the attempt: it is as final, and as often asked for, as a success. */
function refuseLoad(
  terminal: Terminal,
  load: LoadKbpk | LoadKeys,
  hash: string,
  results: SlotResult[],
  re: string,
  around: Surroundings,
): Decision {
  const result = sign(terminal, load, hash, results, around);
  return {
    change: { result },
    send: [{ message: resultMessage(result), re }],
  };
}

function sign(
  { serial }: Terminal,
  { attempt, epoch, nonceK2 }: LoadKbpk | LoadKeys,
  planHash: string,
  results: SlotResult[],
  around: Surroundings,
): LoadResult {
  const report = around.report({ attempt, epoch, planHash, nonceK2, results });
  return signReport(report, serial, around.sign);
}

/** The result that says what `report` does. */
export function signReport(report: Report, serial: string, sign: Surroundings['sign']): LoadResult {
  return { ...report, signature: base64(sign(loadResultSignedBytes(report, serial))) };
}

function loadedNow({ attempt }: LoadKbpk | LoadKeys, { now }: Surroundings) {
  return { loadedAt: now.toISOString(), attempt };
}

function inventoryOf({ slots }: TerminalRecord): Inventory {
  return {
    slots: Object.entries(slots).map(([slot, { usage, algorithm, kcv, loadedAt, attempt, ...rest }]) => ({
      slot,
      usage,
      algorithm,
      ...('ksn' in rest && { ksn: rest.ksn }),
      kcv,
      loadedAt,
      attempt,
    })),
  };
}

function holds({ slots }: TerminalRecord, wanted: Slot['usage']): boolean {
  return Object.values(slots).some(({ usage }) => usage === wanted);
}

function outstandingNonce({ nonce }: TerminalRecord, around: Surroundings): Uint8Array {
  return nonce ?? around.randomBytes(nonceBytes);
}

function randomMessage(nonce: Uint8Array): TerminalMessage {
  return { t: 'RANDOM', b: { token: base64(buildRandomToken(nonce)) } };
}

function resultMessage(result: LoadResult): TerminalMessage {
  return { t: 'LOAD_RESULT', b: result };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
