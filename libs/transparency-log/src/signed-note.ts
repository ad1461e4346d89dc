import { verify } from 'node:crypto';
import { TransparencyLogError } from './errors.ts';
import { decodeBase64, decodeUtf8, encodeBase64, encodeUtf8, maxSize, requireSize } from './fields.ts';
import { isKeyName, publicKeyObject, type VerifierKey } from './verifier-key.ts';

/** A note: text, and signatures by keys that may be unknown. Until `openNote` it says nothing. C2SP signed-note. */
export interface SignedNote {
  /** Ends in a line feed. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

export interface NoteSignature {
  /** Of the key. */
  readonly name: string;
  /** Of the key, 32 bits. */
  readonly keyId: number;
  /** Without the key id; its form depends on the type of the key. */
  readonly signature: Uint8Array;
}

/** A signature that was verified. */
export interface VerifiedSignature {
  readonly key: VerifierKey;
  /** Cosignatures only: seconds since 1970-01-01, as the witness says. */
  readonly timestampSeconds?: bigint;
}

/** A private key that signs notes, wherever it lives: in an HSM, or on the auditor's machine. */
export interface NoteSigner {
  readonly key: VerifierKey;
  /** Ed25519: 64 bytes. ECDSA: over the SHA-256 of the message, DER. */
  sign(message: Uint8Array): Promise<Uint8Array>;
}

/** Most signatures that are read; C2SP signed-note asks for at least 16. */
const maxSignatures = 100;
const keyIdBytes = 4;
const timestampBytes = 8;

/** Takes a note apart, without trusting it: for who passes it on. @throws TLOG_MALFORMED, TLOG_HOSTILE_SIZE */
export function parseNote(bytes: Uint8Array): SignedNote {
  const note = decodeUtf8(bytes, 'note');
  requireNoControls(note, 'note');
  // The text may have empty lines of its own: the last one ends it.
  const end = note.lastIndexOf('\n\n') + 1;
  if (end === 0 || !note.endsWith('\n')) {
    throw new TransparencyLogError(
      'TLOG_MALFORMED',
      'note: expected text, an empty line, and signature lines',
    );
  }
  return { text: note.slice(0, end), signatures: parseSignatureLines(note.slice(end + 1)) };
}

/** Writes a note: text, an empty line, a line for each signature. @throws TLOG_MALFORMED */
export function formatNote({ text, signatures }: SignedNote): Uint8Array {
  requireText(text);
  return encodeUtf8(`${text}\n${signatures.map(formatSignatureLine).join('')}`);
}

/** `— <key name> <base64 of key id and signature>`, with its line feed. */
export function formatSignatureLine({ name, keyId, signature }: NoteSignature): string {
  const id = Buffer.alloc(keyIdBytes);
  id.writeUInt32BE(keyId);
  return `— ${name} ${encodeBase64(Buffer.concat([id, signature]))}\n`;
}

/** Reads signature lines, as in a note, or as a witness answers with them. @throws TLOG_MALFORMED, TLOG_HOSTILE_SIZE */
export function parseSignatureLines(text: string): NoteSignature[] {
  const lines = text.split('\n');
  const rest = lines.pop();
  if (lines.length > maxSignatures) {
    throw new TransparencyLogError(
      'TLOG_HOSTILE_SIZE',
      `note: expected at most ${maxSignatures} signatures, got ${lines.length}`,
    );
  }
  if (lines.length === 0 || rest !== '') {
    throw new TransparencyLogError('TLOG_MALFORMED', 'note: expected one or more signature lines');
  }
  return lines.map(parseSignatureLine);
}

/**
 * The text of a note, and which of the given keys signed it. Signatures of other keys are ignored.
 * @throws TLOG_UNSIGNED (by none of the keys), TLOG_BAD_SIGNATURE (by one of them, and it does not verify);
 *   TLOG_MALFORMED, TLOG_HOSTILE_SIZE
 */
export function openNote(
  bytes: Uint8Array,
  keys: readonly VerifierKey[],
): { text: string; signatures: VerifiedSignature[] } {
  const note = parseNote(bytes);
  const signatures = note.signatures.flatMap((signature) => {
    const key = keys.find(({ name, keyId }) => name === signature.name && keyId === signature.keyId);
    return key === undefined ? [] : [verifySignature(note.text, key, signature.signature)];
  });
  if (signatures.length === 0) {
    throw new TransparencyLogError('TLOG_UNSIGNED', `note: signed by none of ${keys.length} trusted keys`);
  }
  return { text: note.text, signatures };
}

/**
 * Signs a text, and verifies the signature before it leaves: the signer may be an HSM at the end of a wire.
 * `timestampSeconds`, since 1970-01-01, is for cosignature keys, and only for them.
 * @throws TLOG_BAD_SIGNATURE, TLOG_MALFORMED, TLOG_HOSTILE_SIZE; what the signer throws
 */
export async function signText(
  text: string,
  signer: NoteSigner,
  timestampSeconds?: bigint,
): Promise<NoteSignature> {
  requireText(text);
  const { key } = signer;
  if ((key.type === 'cosignature/v1') !== (timestampSeconds !== undefined)) {
    throw new TransparencyLogError(
      'TLOG_MALFORMED',
      `a time goes with a cosignature key, not with ${key.type}`,
    );
  }
  const made = await signer.sign(signedMessage(text, timestampSeconds));
  const signature =
    timestampSeconds === undefined ? made : Buffer.concat([timestampOf(timestampSeconds), made]);
  verifySignature(text, key, signature);
  return { name: key.name, keyId: key.keyId, signature };
}

function verifySignature(text: string, key: VerifierKey, signature: Uint8Array): VerifiedSignature {
  const bad = () =>
    new TransparencyLogError('TLOG_BAD_SIGNATURE', `note: the signature of ${key.name} does not verify`);
  const digest = key.type === 'ecdsa-sha256' ? 'sha256' : null; // Ed25519 hashes by itself
  if (key.type !== 'cosignature/v1') {
    if (!verify(digest, signedMessage(text), publicKeyObject(key), signature)) throw bad();
    return { key };
  }
  if (signature.length < timestampBytes) throw bad();
  // timestamped_signature, C2SP tlog-cosignature: timestamp[8], big endian; ed25519_signature[64]
  const timestampSeconds = Buffer.from(signature).readBigUInt64BE();
  const message = signedMessage(text, timestampSeconds);
  const made = signature.subarray(timestampBytes);
  if (timestampSeconds > maxSize || !verify(digest, message, publicKeyObject(key), made)) throw bad();
  return { key, timestampSeconds };
}

/** The note text; under a cosignature, C2SP tlog-cosignature: `cosignature/v1`, the time, the text. */
function signedMessage(text: string, timestampSeconds?: bigint): Uint8Array {
  const header = timestampSeconds === undefined ? '' : `cosignature/v1\ntime ${timestampSeconds}\n`;
  return encodeUtf8(header + text);
}

function timestampOf(seconds: bigint): Uint8Array {
  requireSize(seconds, 'time stamp');
  const bytes = Buffer.alloc(timestampBytes);
  bytes.writeBigUInt64BE(seconds);
  return bytes;
}

function parseSignatureLine(line: string): NoteSignature {
  const [dash, name, base64, ...rest] = line.split(' ');
  if (dash !== '—' || name === undefined || base64 === undefined || rest.length > 0 || !isKeyName(name)) {
    throw new TransparencyLogError('TLOG_MALFORMED', 'signature line: expected — <key name> <base64>');
  }
  const bytes = Buffer.from(decodeBase64(base64, 'signature line'));
  if (bytes.length <= keyIdBytes) {
    throw new TransparencyLogError(
      'TLOG_MALFORMED',
      `signature: expected more than ${keyIdBytes} bytes, got ${bytes.length}`,
    );
  }
  return { name, keyId: bytes.readUInt32BE(), signature: bytes.subarray(keyIdBytes) };
}

function requireText(text: string): void {
  requireNoControls(text, 'note text');
  if (!text.endsWith('\n') || /\p{Cs}/u.test(text)) {
    throw new TransparencyLogError(
      'TLOG_MALFORMED',
      'note text: expected well-formed text that ends in a line feed',
    );
  }
}

/** C2SP signed-note, "Format": no control character below U+0020 but the line feed. */
function requireNoControls(text: string, what: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const control = /[\u0000-\u0009\u000b-\u001f]/.exec(text)?.[0];
  if (control !== undefined) {
    const code = control.charCodeAt(0);
    throw new TransparencyLogError('TLOG_MALFORMED', `${what}: got control character ${code}`);
  }
}
