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

/** What a management command gives back; `payload` for what is secret. */
export interface ManagementAnswer {
  line: Record<string, unknown>;
  payload?: Uint8Array;
}

/** Carries out one management command. Throws `SoftHsmError` or `Refusal` for one that is not carried out. */
export type Manage = (message: ManagementMessage) => ManagementAnswer | Promise<ManagementAnswer>;

/** Serves one peer of the management socket: one command after the other, each answered with `ok` true or false. */
export function serveManagement(socket: Socket, manage: Manage, log: Log): void {
  const reader = new MessageReader();
  let previous = Promise.resolve();

  const answer = async (message: ManagementMessage) => {
    try {
      const { line, payload } = await manage(message);
      socket.write(formatMessage({ ok: true, ...line }, payload));
    } catch (error) {
      socket.write(formatMessage({ ok: false, ...explain(error, log) }));
    } finally {
      message.payload.fill(0);
    }
  };

  socket.on('data', (chunk) => {
    try {
      for (const message of reader.push(chunk)) previous = previous.then(() => answer(message));
    } catch (error) {
      if (!(error instanceof HsmManagementError)) throw error;
      socket.end(formatMessage({ ok: false, code: error.code, message: error.message }));
    }
  });
  socket.on('end', () => void previous.then(() => socket.end()));
  socket.on('error', (error) => log('info', 'management', error.message));
}

function explain(error: unknown, log: Log): { code: string; message: string } {
  if (error instanceof SoftHsmError || error instanceof Refusal)
    return { code: error.code, message: error.message };
  log('error', 'management', `internal error: ${error instanceof Error ? error.name : typeof error}`);
  return { code: 'INTERNAL', message: 'internal error' };
}
