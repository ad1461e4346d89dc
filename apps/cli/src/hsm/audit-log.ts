import { type FileHandle, open } from 'node:fs/promises';
import { type ChainHead, continueChain, verifyAuditLog } from '@openkdh/hsm-management';
import { defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { onFile } from '../files.ts';
import { flag, type Member, optional, text } from '../members.ts';
import { callHsm, statusOf } from './management.ts';
import { socket } from './members.ts';

const checkpointKey: Member<string> = {
  ...text("key of the log's checkpoints, 64 hex digits, as the HSM said it when it was begun"),
  read(given, name) {
    if (typeof given === 'string' && /^[0-9A-Fa-f]{64}$/.test(given)) return given.toUpperCase();
    throw new CliError('CLI_MEMBER_INVALID', `${name}: expected 64 hex digits`);
  },
};

export const fetchLog = defineCommand({
  name: 'hsm log',
  summary:
    "Fetches the HSM's own log: verifies the copy that is there, then every new record before it is added.",
  members: {
    socket,
    out: text('file with the copy; made if missing, gone on with if there'),
    checkpointKey,
    acknowledge: optional(flag('tell the HSM that its records are kept')),
  },
  async run({ socket, out, checkpointKey, acknowledge }) {
    await statusOf(socket); // where no HSM answers, no file is begun
    const file = await onFile('out', open(out, 'a+', 0o600));
    try {
      const kept = await verifyFile(file, checkpointKey);
      const head = await fetchFrom(socket, kept, file, checkpointKey);
      if (acknowledge) await callHsm(socket, 'acknowledge-log', { upTo: head.seq });
      return { log: out, fetched: head.seq - kept.seq, ...head };
    } finally {
      await file.close();
    }
  },
});

export const verifyLog = defineCommand({
  name: 'hsm verify-log',
  summary:
    "Verifies a copy of the HSM's own log and says where it ends. Compare that with what was known before.",
  members: { log: text('file with the log'), checkpointKey },
  positional: 'log',
  async run({ log, checkpointKey }) {
    const file = await onFile('log', open(log));
    try {
      return await verifyFile(file, checkpointKey);
    } finally {
      await file.close();
    }
  },
});

const verifyFile = (file: FileHandle, key: string): Promise<ChainHead> =>
  verifyAuditLog(file.readLines({ encoding: 'latin1', start: 0, autoClose: false }), key);

/** Adds what comes after `head`, as much as there is; durable when it returns. */
async function fetchFrom(
  socketPath: string,
  kept: ChainHead,
  file: FileHandle,
  key: string,
): Promise<ChainHead> {
  let head = kept;
  for (;;) {
    const { payload } = await callHsm(socketPath, 'log', { from: head.seq + 1 });
    if (payload.length === 0) break;
    const lines = payload.toString('latin1').split('\n').slice(0, -1);
    for (const line of lines) head = continueChain(head, line, key);
    await onFile('out', file.appendFile(payload));
  }
  await onFile('out', file.sync());
  return head;
}
