import fs from 'node:fs';
import { dirname } from 'node:path';

/** The system calls of an atomic write; a test cuts the power before any of them. */
export type FileCalls = Pick<typeof fs, 'openSync' | 'writeSync' | 'fsyncSync' | 'closeSync' | 'renameSync'>;

/**
 * Replaces `path` so that after a crash at any point it holds the old contents or the new, never a mixture and never
 * nothing: temporary file, fsync, rename, fsync of the folder. Mode 0600.
 */
export function writeFileAtomically(path: string, contents: Uint8Array, calls: FileCalls = fs): void {
  const temporary = `${path}.tmp`;
  const file = calls.openSync(temporary, 'w', 0o600);
  try {
    for (let written = 0; written < contents.length; ) {
      written += calls.writeSync(file, contents, written, contents.length - written);
    }
    calls.fsyncSync(file);
  } finally {
    calls.closeSync(file);
  }
  calls.renameSync(temporary, path);
  const folder = calls.openSync(dirname(path), 'r');
  try {
    calls.fsyncSync(folder);
  } finally {
    calls.closeSync(folder);
  }
}
