import { protocolLimits } from '@openkdh/terminal-protocol';

/** What one node takes from terminals at most, so that none of them, and no stranger, can starve the others. */
export const gatewayLimits = {
  /** TLS handshakes under way; one costs some 2.5 ms of a core. */
  handshakesInFlight: 1_024,
  /** Of these from one address: silent connections from there leave room for others. */
  handshakesInFlightPerAddress: 256,
  /** From the TCP connection to the end of the TLS handshake. */
  handshakeMilliseconds: 10_000,
  /** `KDH_ADDRESS_CONNECTIONS_PER_SECOND` for so many seconds at once. */
  addressBurstSeconds: 10,
  /** Upgrades whose checks are under way. */
  upgradesInFlight: 512,
  /** A terminal that comes back more often than this is told to wait: each session costs a commit. */
  upgradesPerTerminal: { perSecond: 1, burst: 30 },
  /** What a terminal that is sent away with 503 is asked to wait; it adds its own jitter. */
  retryAfterSeconds: 5,
  maxFrameBytes: protocolLimits.maxFrameBytes,
  /** Frames and pings of one connection. A load takes two frames. */
  framesPerTerminal: { perSecond: 50, burst: 200 },
  /** Frames that wait while one is handled; a terminal that sends more does not wait for answers. */
  mailboxFrames: 32,
  /** What a slow reader may leave in our socket before it is cut off. */
  bufferedBytes: 1024 * 1024,
} as const;
