import { readFileSync } from 'node:fs';
import type { Envelope } from '../src/connection.ts';
import type { LoadKbpk, LoadKeys, LoadResult } from '../src/loading.ts';
import type { Role } from '../src/messages.ts';
import { openSession, type Session } from '../src/session.ts';

const vector = JSON.parse(
  readFileSync(new URL('../../../test/vectors/kdh-v1.json', import.meta.url), 'utf8'),
) as {
  serial: string;
  keys: Record<string, string>;
  certificates: Record<string, string>;
  conversation: { from: Role; frame: Envelope }[];
};

export const { serial, keys, certificates, conversation } = vector;

/** The bodies of the recorded messages of a type, in order. */
export function bodies<B>(type: string): B[] {
  return conversation.filter(({ frame }) => frame.t === type).map(({ frame }) => frame.b as B);
}
export const [loadKbpk] = bodies<LoadKbpk>('LOAD_KBPK') as [LoadKbpk];
export const [loadKeys] = bodies<LoadKeys>('LOAD_KEYS') as [LoadKeys];
export const [kbpkResult, keysResult] = bodies<LoadResult>('LOAD_RESULT') as [LoadResult, LoadResult];

/** A recorded frame of a type: the first, and as an object that the caller may change. */
export function frame(type: string): Envelope {
  return structuredClone(conversation.find((entry) => entry.frame.t === type)!.frame);
}

/** Opens a session of `role` and leads it through the conversation up to and including the message of a type. */
export function sessionAfter<R extends Role>(role: R, type?: string): Session<R> {
  const ids = conversation.filter(({ from }) => from === role).map((entry) => entry.frame.id);
  const sid = conversation.find((entry) => entry.frame.t === 'WELCOME')!.frame.sid!;
  // A KDH asks for the id of its session first, then for those of its messages.
  const recorded = role === 'kdh' ? [sid, ...ids] : ids;
  const session = openSession(role, () => recorded.shift()!);
  const end = type === undefined ? 0 : conversation.findIndex((entry) => entry.frame.t === type) + 1;
  for (const { from, frame } of conversation.slice(0, end)) {
    if (from === role) session.send({ t: frame.t, b: frame.b } as never, { re: frame.re });
    else session.receive(JSON.stringify(frame));
  }
  return session;
}
