import type { KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { KdhMessage } from '@openkdh/terminal-protocol';

/** A terminal that is connected to this node, from WELCOME until its socket closes. */
export interface LiveSession {
  readonly sessionId: string;
  readonly terminalId: string;
  readonly serial: string;
  /** Fencing number: the newest session of a terminal has the highest. */
  readonly epoch: bigint;
  /** Public key of the terminal's result signing certificate. */
  readonly signingKey: KeyObject;
  /** True once the session may carry keys: bound, and its KBPK at hand. */
  ready: boolean;
  send(message: KdhMessage, re?: string): void;
  /** Sends KICK and closes. */
  kick(code: number, closeCode: number, retryAfterMilliseconds: number): void;
}

/** The live sessions of this node by terminal. */
@Injectable()
export class SessionRegistry {
  private readonly sessions = new Map<string, LiveSession>();

  /** Registers a session and returns the one it supersedes. */
  register(session: LiveSession): LiveSession | undefined {
    const superseded = this.sessions.get(session.terminalId);
    if (superseded && superseded.epoch > session.epoch) return undefined;
    this.sessions.set(session.terminalId, session);
    return superseded;
  }

  /** Removes exactly this session: a close that arrives late must not unregister its successor (F12). */
  remove(session: LiveSession): boolean {
    const current = this.sessions.get(session.terminalId);
    if (current?.epoch !== session.epoch) return false;
    return this.sessions.delete(session.terminalId);
  }

  get(terminalId: string): LiveSession | undefined {
    return this.sessions.get(terminalId);
  }

  get size(): number {
    return this.sessions.size;
  }

  all(): IterableIterator<LiveSession> {
    return this.sessions.values();
  }
}
