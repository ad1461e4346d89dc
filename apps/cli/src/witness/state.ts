import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import {
  canonicalJson,
  type JsonValue,
  type NoteSigner,
  parseCanonicalJson,
  parseCheckpoint,
  parseNote,
  type SignedCheckpoint,
  TransparencyLogError,
  verifierKey,
} from '@openkdh/transparency-log';
import { hexBytes } from '../hex.ts';

/**
 * The state of a witness as a file, docs/audit-log.md, "The witness's state": a line with its private key (PKCS #8 in
 * hex), and a line with all else, canonical JSON. So the key is never part of a string.
 */
export interface WitnessState {
  /** Of the witness and its key. */
  readonly name: string;
  /** By origin. */
  readonly logs: ReadonlyMap<string, LogMemory>;
}

/** What a witness remembers of a log that it has cosigned. */
export interface LogMemory {
  /** The latest that was cosigned. */
  readonly latest: SignedCheckpoint;
  /** A signed note of the same size as one that was cosigned, with another root: with that one it proves a fork. */
  readonly fork?: Uint8Array;
  /** The newest signed note that was not shown to continue what was cosigned. */
  readonly unproven?: Uint8Array;
}

/** The private key of a witness and what it remembers; `keyLine` is to be wiped by whoever holds it. */
export interface ReadState {
  readonly keyLine: Uint8Array;
  readonly signer: NoteSigner;
  readonly state: WitnessState;
}

const newline = 0x0a;

/** The bytes of the file, with the private key in them. */
export function formatState(keyLine: Uint8Array, { name, logs }: WitnessState): Uint8Array {
  const json = { format: 1, name, logs: [...logs.values()].map(formatMemory) };
  return Buffer.concat([keyLine, Uint8Array.of(newline), canonicalJson(json), Uint8Array.of(newline)]);
}

/** Reads the bytes of the file. @throws TLOG_MALFORMED and what else a note can be refused for; never with the key */
export function parseState(bytes: Uint8Array): ReadState {
  const end = bytes.indexOf(newline);
  if (end < 0 || bytes.at(-1) !== newline) throw malformed();
  const keyLine = Uint8Array.from(bytes.subarray(0, end)); // a copy: the caller may wipe `bytes`
  try {
    const { name, logs } = parseMembers(parseCanonicalJson(bytes.subarray(end + 1, -1)));
    const memories = logs.map(parseMemory);
    const byOrigin = new Map(memories.map((memory) => [memory.latest.checkpoint.origin, memory]));
    return { keyLine, signer: cosigner(name, readPrivateKey(keyLine)), state: { name, logs: byOrigin } };
  } catch (error) {
    keyLine.fill(0);
    throw error;
  }
}

/** A key that cosigns: Ed25519. @throws TLOG_MALFORMED (the name is none of a key) */
export function cosigner(name: string, privateKey: KeyObject): NoteSigner {
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return {
    key: verifierKey(name, 'cosignature/v1', spki.subarray(-32)),
    sign: async (message) => sign(null, message, privateKey),
  };
}

function readPrivateKey(keyLine: Uint8Array): KeyObject {
  const der = hexBytes(keyLine);
  try {
    if (der) return createPrivateKey({ key: Buffer.from(der.buffer), format: 'der', type: 'pkcs8' });
  } catch {
    // OpenSSL's reason is not passed on: it is about the key.
  } finally {
    der?.fill(0);
  }
  throw malformed();
}

function formatMemory({ latest, fork, unproven }: LogMemory): { [name: string]: JsonValue } {
  const text = (note: Uint8Array) => Buffer.from(note).toString('utf8');
  return {
    latest: text(latest.note),
    ...(fork && { fork: text(fork) }),
    ...(unproven && { unproven: text(unproven) }),
  };
}

function parseMembers(value: JsonValue): { name: string; logs: JsonValue[] } {
  const { format, name, logs, ...others } = asObject(value);
  if (format !== 1 || typeof name !== 'string' || !Array.isArray(logs) || Object.keys(others).length > 0) {
    throw malformed();
  }
  return { name, logs };
}

function parseMemory(value: JsonValue): LogMemory {
  const { latest, fork, unproven, ...others } = asObject(value);
  const note = (text: JsonValue | undefined) => {
    if (typeof text !== 'string') throw malformed();
    return Buffer.from(text, 'utf8');
  };
  if (Object.keys(others).length > 0) throw malformed();
  return {
    latest: { note: note(latest), checkpoint: parseCheckpoint(parseNote(note(latest)).text) },
    ...(fork !== undefined && { fork: note(fork) }),
    ...(unproven !== undefined && { unproven: note(unproven) }),
  };
}

function asObject(value: JsonValue): { readonly [name: string]: JsonValue } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed();
  return value as { readonly [name: string]: JsonValue };
}

function malformed(): TransparencyLogError {
  return new TransparencyLogError('TLOG_MALFORMED', 'state of a witness: expected format 1');
}
