import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { type ChainHead, continueChain, emptyChain } from './chain.ts';

/**
 * Reads a whole audit log from its first record. Throws `BrokenChain` at the first record that was edited, removed,
 * inserted or swapped, or whose checkpoint `checkpointKey` (32 bytes in hex) did not sign. A log that was cut at its
 * end is a shorter log: compare the head with what was known before.
 */
export async function verifyAuditLog(path: string, checkpointKey: string): Promise<ChainHead> {
  let head = emptyChain;
  for await (const line of createInterface({ input: createReadStream(path, 'latin1') })) {
    head = continueChain(head, line, checkpointKey);
  }
  return head;
}
