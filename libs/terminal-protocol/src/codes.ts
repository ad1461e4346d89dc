/** One row of the code table: what a code means and what it does to the connection. */
export interface ProtocolCodeRow {
  /** The number that stands in ERROR, KICK and LOAD_RESULT. */
  readonly number: number;
  /** WebSocket close code when the code ends the connection: a range of its own, last two digits as in `number`. */
  readonly closeCode: number;
  /** Whether the code ends the connection, unless the one who raises it says otherwise. */
  readonly fatal: boolean;
  /** HTTP status when the code refuses the upgrade, before there is a WebSocket to carry an ERROR. */
  readonly httpStatus?: number;
  readonly meaning: string;
}

/**
 * Every code of `kdh.v1`. Names and numbers are stable: a code is added, never renumbered.
 * 1xxx protocol, 2xxx identity, 3xxx bind, 4xxx load, 5xxx host.
 */
export const protocolCodes = {
  BAD_MESSAGE: row(
    1001,
    false,
    'not JSON, not an envelope, another sid, or a field missing or wrongly typed',
  ),
  UNSUPPORTED_TYPE: row(1002, false, 'a message type that the receiver does not know'),
  SEQ: row(1003, true, 'the sequence number is not one more than the last: a gap, a repeat or a replay'),
  TOO_LARGE: { ...row(1004, true, 'the frame is longer than maxFrameBytes'), closeCode: 1009 },
  TIMEOUT: row(1005, true, 'no HELLO within 5 s, or no answer within its deadline'),
  UNEXPECTED_MESSAGE: row(1006, false, 'a known message in a phase or direction that does not allow it'),
  UNKNOWN_PATH: { ...row(1007, true, 'the path of the request is not /kdh'), httpStatus: 404 },
  SUBPROTOCOL_REQUIRED: { ...row(1008, true, 'the client does not offer kdh.v1'), httpStatus: 400 },

  NOT_WHITELISTED: { ...row(2001, true, 'the terminal is not enrolled at this KDH'), httpStatus: 403 },
  CERT_MISMATCH: row(2002, true, 'the serial number in HELLO is not the one of the certificate'),
  CERT_EXPIRED: { ...row(2003, true, 'the certificate is outside its validity period'), httpStatus: 401 },
  CERT_REVOKED: { ...row(2004, true, 'the certificate or the terminal is revoked'), httpStatus: 403 },
  SUSPENDED: { ...row(2005, true, 'the terminal is suspended'), httpStatus: 403 },
  SUPERSEDED_SESSION: row(2006, true, 'a newer session of the same terminal exists; the epoch is stale'),
  WRONG_PURPOSE_CERT: {
    ...row(2007, true, 'the certificate was issued for another purpose'),
    httpStatus: 401,
  },
  CERT_REQUIRED: { ...row(2008, true, 'no client certificate was presented'), httpStatus: 401 },
  CERT_UNTRUSTED: { ...row(2009, true, 'the certificate does not chain to a trust anchor'), httpStatus: 401 },

  NOT_BOUND: row(3001, false, 'the message needs a binding that does not exist'),
  BOUND_TO_OTHER_KDH: row(3002, true, 'the terminal is bound to another KDH'),
  BAD_TOKEN: row(3003, false, 'a TR-34 token does not parse, verify or decrypt'),
  REPLAY: row(3004, false, 'a nonce is not the outstanding one, or was used before'),
  CRL_STALE: row(3005, false, 'the CRL is absent, past its next update, or older than one seen before'),

  BAD_KEYBLOCK_MAC: row(4001, false, 'the key block does not verify under the KBPK of this terminal'),
  KEYBLOCK_ATTR: row(4002, false, 'the key block header does not fit the slot'),
  KEK_WEAKER: row(4003, false, 'the wrapping key is weaker than the key it carries'),
  SLOT_BUSY: row(4004, false, 'another load of the slot is under way'),
  KCV_MISMATCH: row(4005, false, 'the check value of the key is not the announced one'),
  KSN_SEEN: row(4006, false, 'a KSN, or an attempt with other bytes, was used before'),
  EXPIRED: row(4007, false, 'the load arrived after its expiresAt'),
  PLAN_HASH: row(4008, false, 'planHash is not the hash of the plan'),
  UNKNOWN_ATTEMPT: row(4009, false, 'the terminal holds no result of the attempt'),
  STORAGE: row(4010, false, 'the terminal could not store the keys'),
  TAMPERED: row(4011, true, 'the terminal has detected tampering and holds no keys'),
  DUPLICATE_RESULT_DIFFERS: row(
    4012,
    false,
    'a second result of an attempt says something else than the first',
  ),
  RESULT_SIGNATURE: row(4013, false, 'the signature of a result does not verify; the result changes nothing'),

  BUSY: { ...row(5001, true, 'the KDH takes no more work now; come back later'), httpStatus: 503 },
  HSM_UNAVAILABLE: row(5002, false, 'the HSM does not answer'),
  BDK_FROZEN: row(5003, false, 'the BDK may not be used'),
  APPROVAL_MISSING: row(5004, false, 'the act needs an approval that it does not have'),
  AUDIT_UNAVAILABLE: row(5005, false, 'history cannot be written, so nothing is done'),
} as const satisfies Record<string, ProtocolCodeRow>;

export type ProtocolErrorCode = keyof typeof protocolCodes;

/** Name of the code with this number; undefined for a number that this version does not know. */
export function protocolCodeName(number: number): ProtocolErrorCode | undefined {
  return namesByNumber.get(number);
}

const namesByNumber = new Map(
  Object.entries(protocolCodes).map(([name, { number }]) => [number as number, name as ProtocolErrorCode]),
);

function row(number: number, fatal: boolean, meaning: string): ProtocolCodeRow {
  return { number, closeCode: 4000 + 100 * Math.floor(number / 1000) + (number % 100), fatal, meaning };
}
