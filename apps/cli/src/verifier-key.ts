import { readFile } from 'node:fs/promises';
import { parseVerifierKey, type VerifierKey } from '@openkdh/transparency-log';
import { onFile } from './files.ts';

/** A verifier key that a member gives: the text itself, which has a `+`, or the file that has it. @throws CLI_FILE, TLOG_MALFORMED */
export async function readVerifierKey(given: string, member: string): Promise<VerifierKey> {
  const isKey = /^[^+]+\+[0-9a-f]{8}\+/.test(given);
  return parseVerifierKey(isKey ? given : (await onFile(member, readFile(given, 'utf8'))).trim());
}
