import {
  type Kick,
  type ProtocolErrorCode,
  protocolCodeName,
  protocolLimits,
} from '@openkdh/terminal-protocol';

/** How a connection ended, or why there was none. */
export type ConnectionEnd =
  /** No TCP or TLS connection, or it broke. */
  | { kind: 'failed'; reason: string }
  /** An HTTP status in place of the upgrade; `code` from its problem document, `retryAfterMs` from its header. */
  | { kind: 'refused'; status: number; code?: string; retryAfterMs?: number }
  /** The WebSocket was closed, by either end. */
  | { kind: 'closed'; closeCode: number; kick?: Kick };

export type NextConnection = { stop: ProtocolErrorCode } | { delayMs: number; failures: number };

/** A session that lasted this long was a success: waiting starts over from the shortest time. */
const steadyMs = 10_000;

/**
 * When to connect again: full jitter, so that a fleet that lost its KDH doesn't come back all at once; the ceiling
 * doubles from 1 s to 5 min. A KDH that says how long to wait is obeyed.
 * @param lastedMs how long the session was open; 0 without one
 * @param random 0 to 1
 */
export function nextConnection(
  end: ConnectionEnd,
  failures: number,
  lastedMs: number,
  random: number,
): NextConnection {
  const code = endCode(end);
  // Only a person can change this; the terminal is started again then.
  if (code === 'CERT_REVOKED' || code === 'SUSPENDED') return { stop: code };

  const { reconnectFirstMs, reconnectLongestMs } = protocolLimits;
  const count = lastedMs >= steadyMs ? 0 : failures;
  const next = { failures: count + 1 };
  const askedMs =
    end.kind === 'closed' ? end.kick?.retryAfterMs : end.kind === 'refused' ? end.retryAfterMs : 0;
  if (askedMs) return { ...next, delayMs: askedMs + random * reconnectFirstMs };
  // Somebody else speaks with this terminal's identity now: two that keep reconnecting would throw each other out.
  if (code === 'SUPERSEDED_SESSION') return { ...next, delayMs: reconnectLongestMs };
  return { ...next, delayMs: random * Math.min(reconnectFirstMs * 2 ** count, reconnectLongestMs) };
}

function endCode(end: ConnectionEnd): string | undefined {
  if (end.kind === 'refused') return end.code;
  return end.kind === 'closed' && end.kick ? protocolCodeName(end.kick.code) : undefined;
}
