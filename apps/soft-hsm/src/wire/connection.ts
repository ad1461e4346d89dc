import type { Socket } from 'node:net';
import { FrameReader, frame } from './frames.ts';

/** A socket with more commands under way, or more answers unread, is not read until it has caught up. */
const maxInFlight = 256;
const maxUnreadBytes = 1024 * 1024;

/**
 * Commands that are worked on in one turn. Between turns other hosts have theirs, and what is durable is answered: of two
 * halves of what a host has under way one computes while the other is written, answered and sent anew.
 */
const commandsPerTurn = 4;

/** Answers one message; `undefined` for one that cannot be answered, which ends the connection. Never rejects. */
export type AnswerMessage = (message: Buffer) => Buffer | Promise<Buffer> | undefined;

/**
 * Serves one host. Answers leave when they are ready, so a command that takes long does not hold up the ones behind
 * it; the host matches them by header. What becomes ready in one tick leaves in one write.
 * `onEnd` is called once, with what ended the connection if it was not the host.
 */
export function serveConnection(
  socket: Socket,
  answerMessage: AnswerMessage,
  onEnd: (reason?: string) => void,
): void {
  const reader = new FrameReader();
  let waiting: Buffer[] = [];
  let ready: Buffer[] = [];
  let inFlight = 0;
  let finishing = false;
  let reason: string | undefined;

  const flush = () => {
    const answers = ready;
    ready = [];
    if (socket.writable) socket.write(frame(answers));
    adjustReading();
    endWhenAnswered();
  };
  const send = (answer: Buffer) => {
    inFlight -= 1;
    if (ready.length === 0) process.nextTick(flush);
    ready.push(answer);
  };
  const adjustReading = () => {
    const congested = finishing || inFlight >= maxInFlight || socket.writableLength > maxUnreadBytes;
    if (congested !== socket.isPaused()) congested ? socket.pause() : socket.resume();
  };
  const endWhenAnswered = () => {
    if (finishing && inFlight === 0 && ready.length === 0) socket.destroySoon();
  };

  const hasWork = () => waiting.length > 0 && !socket.destroyed;
  const work = () => {
    for (let n = 0; n < commandsPerTurn && hasWork(); n += 1) {
      const message = waiting.shift()!;
      const answer = answerMessage(message);
      if (answer === undefined) {
        reason = `a message of ${message.length} bytes is too short to be answered`;
        finishing = true;
        inFlight -= 1 + waiting.length;
        waiting = [];
      } else if (answer instanceof Promise) {
        void answer.then(send);
      } else {
        send(answer);
      }
    }
    if (hasWork()) setImmediate(work);
    adjustReading();
    endWhenAnswered();
  };

  socket.on('data', (chunk) => {
    const messages = reader.push(chunk);
    inFlight += messages.length;
    const idle = waiting.length === 0;
    waiting.push(...messages);
    if (idle) setImmediate(work);
    adjustReading();
  });
  socket.on('end', () => {
    finishing = true;
    endWhenAnswered();
  });
  socket.on('drain', adjustReading);
  socket.on('error', (error) => {
    reason = error.message;
  });
  socket.on('close', () => onEnd(reason));
}
