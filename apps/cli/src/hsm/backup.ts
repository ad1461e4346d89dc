import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { defineCommand } from '../command.ts';
import { onFile } from '../files.ts';
import { text } from '../members.ts';
import { callHsm } from './management.ts';
import { socket } from './members.ts';

export const backup = defineCommand({
  name: 'hsm backup',
  summary: 'Takes a backup of the HSM, which whoever takes it cannot read.',
  members: { socket, out: text('file to write it to') },
  async run({ socket, out }) {
    const { payload } = await callHsm(socket, 'backup');
    await onFile('out', writeFile(out, payload, { mode: 0o600, flag: 'wx', flush: true }));
    const sha256 = createHash('sha256').update(payload).digest('hex').toUpperCase();
    return { backup: out, bytes: payload.length, sha256 };
  },
});
