import type { Socket } from 'node:net';
import {
  formatMessage,
  HsmManagementError,
  type ManagementMessage,
  MessageReader,
} from '@openkdh/hsm-management';
import { Refusal } from '../answer-codes.ts';
import { SoftHsmError } from '../errors.ts';
import type { Log } from '../log.ts';
import { withWipedReads } from './wiped-reads.ts';

/** What a management command gives back; `payload`: bytes, of which none is secret in clear. */
export interface ManagementAnswer {
  line: Record<string, unknown>;
  payload?: Uint8Array;
}

/** Carries out one management command. Throws `SoftHsmError` or `Refusal` for one that is not carried out. */
export type Manage = (message: ManagementMessage) => ManagementAnswer | Promise<ManagementAnswer>;

/**
 * Serves one peer that was accepted at the management socket: one command after the other, each answered with `ok` true
 * or false. Returns the socket that it is served on.
 */
export function serveManagement(accepted: Socket, manage: Manage, log: Log): Socket {
  const reader = new MessageReader();
  let previous = Promise.resolve();

  const answerTo = async (message: ManagementMessage): Promise<Buffer> => {
    try {
      const { line, payload } = await manage(message);
      return formatMessage({ ok: true, ...line }, payload);
    } catch (error) {
      return formatMessage({ ok: false, ...explain(error, log) });
    } finally {
      message.payload.fill(0);
    }
  };
  const serve = async (message: ManagementMessage) => {
    socket.write(await answerTo(message)); // by then nothing of the message is left here
  };

  const socket = withWipedReads(accepted, (chunk) => {
    try {
      for (const message of reader.push(chunk)) previous = previous.then(() => serve(message));
    } catch (error) {
      if (!(error instanceof HsmManagementError)) throw error;
      socket.end(formatMessage({ ok: false, code: error.code, message: error.message }));
    }
  });
  socket.on('end', () => void previous.then(() => socket.end()));
  socket.on('error', (error) => log('info', 'management', error.message));
  return socket;
}

function explain(error: unknown, log: Log): { code: string; message: string } {
  if (error instanceof SoftHsmError || error instanceof Refusal)
    return { code: error.code, message: error.message };
  log('error', 'management', `internal error: ${error instanceof Error ? error.name : typeof error}`);
  return { code: 'INTERNAL', message: 'internal error' };
}
