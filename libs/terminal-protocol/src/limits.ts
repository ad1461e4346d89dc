/** The WebSocket subprotocol of this version. */
export const subprotocol = 'kdh.v1';
/** The path that terminals connect to. */
export const endpointPath = '/kdh';

/** Limits and times of `kdh.v1`; both sides hold to them. */
export const protocolLimits = {
  /** Longest frame, in bytes of UTF-8. */
  maxFrameBytes: 64 * 1024,
  /** Deepest nesting of JSON; the envelope is 1. */
  maxDepth: 8,
  /** From the upgrade to HELLO. */
  helloTimeoutMs: 5_000,
  /** Interval of the KDH's pings, announced in WELCOME. */
  pingMs: 25_000,
  /** From a ping to its pong; after it the KDH drops the connection. */
  pongTimeoutMs: 10_000,
  /** Reconnection: the first and the longest ceiling of the full-jitter wait. */
  reconnectFirstMs: 1_000,
  reconnectLongestMs: 300_000,
} as const;
