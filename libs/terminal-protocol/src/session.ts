import type * as z from 'zod';
import { type Envelope, envelope } from './connection.ts';
import { ProtocolError } from './errors.ts';
import { parseFrame } from './json.ts';
import { protocolLimits } from './limits.ts';
import { newMessageId } from './message-id.ts';
import { type Incoming, type MessageRow, messageRow, type Outgoing, type Role } from './messages.ts';
import type { Phase } from './phases.ts';

/** A message with the identifiers of its envelope. */
export type Received<M> = M & { readonly id: string; readonly re?: string };

/** Opens a session on a new connection, for the end named by `role`. `newId` makes message and session ids. */
export function openSession<R extends Role>(role: R, newId: () => string = newMessageId): Session<R> {
  return new Session(role, newId);
}

/**
 * One connection as one of its ends sees it: the sequence numbers of both directions, the `sid`, and the phase.
 * It does no I/O and reads no clock: the caller feeds it frames and sends what it returns, in order.
 */
export class Session<R extends Role> {
  readonly role: R;
  readonly #newId: () => string;
  #phase: Phase = 'connected';
  #sid: string | undefined;
  /** WELCOME went by: from here on every frame carries the sid. */
  #welcomed = false;
  #boundAtHello = false;
  #received = 0;
  #sent = 0;

  constructor(role: R, newId: () => string) {
    this.role = role;
    this.#newId = newId;
    if (role === 'kdh') this.#sid = newId();
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** The session identifier; for a terminal undefined until WELCOME. */
  get sid(): string | undefined {
    return this.#sid;
  }

  /**
   * Takes one text frame.
   *
   * Before WELCOME every refusal is fatal. After it only a frame without a readable envelope, with another `sid` or out
   * of sequence is; any other refusal counts the frame and leaves the phase as it was.
   * @throws ProtocolError to be told the peer by `sendError`; when `fatal`, the connection is then closed with its
   * `closeCode` and no further frame is fed
   */
  receive(text: string): Received<Incoming<R>> {
    try {
      return this.#accept(text);
    } catch (error) {
      if (error instanceof ProtocolError && error.fatal) this.#phase = 'over';
      throw error;
    }
  }

  /**
   * The frame of a message to the peer. `re`: the `id` of the message that it answers. The body is what its type says: it
   * is not checked again here, the peer checks what comes.
   * @throws ProtocolError when this end may not send it now or the frame is too large; the session is as before
   */
  send(message: Outgoing<R>, options: { re?: string | undefined } = {}): string {
    const { t, b } = message;
    const row = messageRow(this.role, t);
    if (!row?.phases.includes(this.#phase)) {
      throw new ProtocolError('UNEXPECTED_MESSAGE', `${t} cannot be sent in phase ${this.#phase}`);
    }
    const text = JSON.stringify({
      v: 1,
      t,
      id: this.#newId(),
      re: options.re,
      sid: this.#welcomed || t === 'WELCOME' ? this.#sid : undefined,
      seq: this.#sent + 1,
      b,
    });
    const bytes = Buffer.byteLength(text);
    if (bytes > protocolLimits.maxFrameBytes) {
      throw new ProtocolError(
        'TOO_LARGE',
        `${t}: at most ${protocolLimits.maxFrameBytes} bytes expected, ${bytes} came`,
      );
    }
    this.#sent += 1;
    this.#walk(row, message);
    return text;
  }

  /**
   * The ERROR frame that tells the peer of a refusal; `re`: the `id` of the message that was refused, where `error` does
   * not know it. When `error.fatal`, close after sending it.
   */
  sendError(error: ProtocolError, re: string | undefined = error.re): string {
    const detail = error.message.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 200);
    const message = { t: 'ERROR', b: { code: error.number, name: error.code, detail, fatal: error.fatal } };
    return this.send(message as Outgoing<R>, { re: error.re ?? re });
  }

  #accept(text: string): Received<Incoming<R>> {
    if (this.#phase === 'over') {
      throw new ProtocolError('UNEXPECTED_MESSAGE', 'the session is over', { fatal: true });
    }
    const frame = parse(
      envelope,
      parseFrame(text),
      (detail) => new ProtocolError('BAD_MESSAGE', `envelope: ${detail}`, { fatal: true }),
    );
    this.#checkSid(frame);
    this.#checkSequence(frame);

    const { t, id, re } = frame;
    const refuse = (code: 'BAD_MESSAGE' | 'UNSUPPORTED_TYPE' | 'UNEXPECTED_MESSAGE', detail: string) =>
      new ProtocolError(code, detail, { fatal: !this.#welcomed, re: id });
    const peer = this.role === 'kdh' ? 'terminal' : 'kdh';
    const row = messageRow(peer, t);
    if (!row) {
      throw messageRow(this.role, t)
        ? refuse('UNEXPECTED_MESSAGE', `${t} is never sent by the ${peer}`)
        : refuse(this.#welcomed ? 'UNSUPPORTED_TYPE' : 'UNEXPECTED_MESSAGE', 'unknown message type');
    }
    if (!row.phases.includes(this.#phase)) {
      throw refuse('UNEXPECTED_MESSAGE', `${t} cannot be received in phase ${this.#phase}`);
    }
    const b = parse(row.body, frame.b, (detail) => refuse('BAD_MESSAGE', `${t}: ${detail}`));
    if (t === 'WELCOME') this.#sid = frame.sid;
    const message = { t, b } as Incoming<R>;
    this.#walk(row, message);
    return { ...message, id, ...(re !== undefined && { re }) };
  }

  #checkSid({ t, id, sid }: Envelope): void {
    if (this.role === 'terminal' && !this.#welcomed && t === 'WELCOME') {
      if (sid !== undefined) return;
      throw new ProtocolError('BAD_MESSAGE', 'WELCOME without sid', { fatal: true, re: id });
    }
    if (sid !== (this.#welcomed ? this.#sid : undefined)) {
      const detail = this.#welcomed ? 'not the sid of this session' : 'a sid before WELCOME';
      throw new ProtocolError('BAD_MESSAGE', detail, { fatal: true, re: id });
    }
  }

  #checkSequence({ id, seq }: Envelope): void {
    const expected = this.#received + 1;
    if (seq !== expected) throw new ProtocolError('SEQ', `seq ${expected} expected, ${seq} came`, { re: id });
    this.#received = expected;
  }

  #walk({ next }: MessageRow, { t, b }: Outgoing<Role>): void {
    if (t === 'HELLO') this.#boundAtHello = b.bindState !== null;
    if (t === 'WELCOME') this.#welcomed = true;
    if (t === 'RANDOM' && this.#phase === 'challenged') this.#phase = 'answered';
    else if (t === 'WELCOME' && this.#boundAtHello) this.#phase = 'bound';
    else if (t === 'ERROR' && b.fatal) this.#phase = 'over';
    else if (next) this.#phase = next;
  }
}

/** `value` as `schema` has it, members that it doesn't know left out; `refuse` makes the error of the first issue. */
function parse<T>(schema: z.ZodType<T>, value: unknown, refuse: (detail: string) => ProtocolError): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!; // zod's messages name kinds, never the value that came
  throw refuse(path.length > 0 ? `${path.join('.')}: ${message}` : message);
}
