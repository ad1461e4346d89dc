import type * as z from 'zod';
import { bind, bindChallenge, bindRequest, random } from './binding.ts';
import { errorMessage, hello, kick, welcome } from './connection.ts';
import { inventory, loadAck, loadKbpk, loadKeys, loadResult, query } from './loading.ts';
import { allPhases, type Phase, unboundPhases, welcomedPhases } from './phases.ts';

export type Role = 'kdh' | 'terminal';

/** One row of a message table. */
export interface MessageRow {
  readonly body: z.ZodType;
  /** Phases in which the message may be sent and received. */
  readonly phases: readonly Phase[];
  /**
   * Phase after the message. Three rows can't say it alone and `Session` does: WELCOME leads to `bound` when HELLO told
   * of a binding, RANDOM from `challenged` to `answered`, a fatal ERROR to `over`.
   */
  readonly next?: Phase;
}

/** Every message that a terminal sends. */
export const terminalMessages = {
  HELLO: { body: hello, phases: ['connected'], next: 'greeted' },
  BIND_REQ: { body: bindRequest, phases: unboundPhases, next: 'requested' },
  RANDOM: { body: random, phases: ['challenged', 'bound'] },
  // A result or an inventory outlives the binding under which its keys came.
  LOAD_RESULT: { body: loadResult, phases: welcomedPhases },
  INVENTORY: { body: inventory, phases: welcomedPhases },
  ERROR: { body: errorMessage, phases: ['greeted', ...welcomedPhases, 'over'] },
} as const satisfies Record<string, MessageRow>;

/** Every message that the KDH sends. */
export const kdhMessages = {
  WELCOME: { body: welcome, phases: ['greeted'], next: 'unbound' },
  BIND_CHALLENGE: { body: bindChallenge, phases: ['requested'], next: 'challenged' },
  BIND: { body: bind, phases: ['answered'], next: 'bound' },
  LOAD_KBPK: { body: loadKbpk, phases: ['bound'] },
  LOAD_KEYS: { body: loadKeys, phases: ['bound'] },
  LOAD_ACK: { body: loadAck, phases: welcomedPhases },
  QUERY: { body: query, phases: welcomedPhases },
  KICK: { body: kick, phases: allPhases, next: 'over' },
  ERROR: { body: errorMessage, phases: allPhases },
} as const satisfies Record<string, MessageRow>;

type MessageOf<Table extends Record<string, MessageRow>> = {
  [T in keyof Table]: { t: T; b: z.infer<Table[T]['body']> };
}[keyof Table];

export type TerminalMessage = MessageOf<typeof terminalMessages>;
export type KdhMessage = MessageOf<typeof kdhMessages>;

/** What a session of role `R` sends. */
export type Outgoing<R extends Role> = R extends 'kdh' ? KdhMessage : TerminalMessage;
/** What a session of role `R` receives. */
export type Incoming<R extends Role> = R extends 'kdh' ? TerminalMessage : KdhMessage;

/** The row of a message by its sender and type; undefined when that sender has no such message. */
export function messageRow(sender: Role, type: string): MessageRow | undefined {
  const table: Record<string, MessageRow> = sender === 'kdh' ? kdhMessages : terminalMessages;
  return Object.hasOwn(table, type) ? table[type] : undefined;
}
