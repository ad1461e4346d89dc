import { type CommittedName, formatCommittedNames } from '@openkdh/transparency-log';
import { type AttemptHistory, receiptOf } from './receipts.ts';
import { type ArchivedFile, tarOf } from './tar.ts';

/**
 * What the log says of one attempt, as a part of a bundle (docs/audit-log.md, Bundle) in a tar archive: unpacked, it is
 * verified by `openkdh audit verify`. `names`: of the people in it, where the bundle shall tell them.
 */
export function evidenceBundle(
  history: AttemptHistory,
  verifierKeyText: string,
  names?: readonly CommittedName[],
): Buffer {
  const files: ArchivedFile[] = [
    { path: 'bundle.json', bytes: Buffer.from('{"content":"part","format":1}') },
    { path: 'key', bytes: Buffer.from(`${verifierKeyText}\n`) },
    { path: 'checkpoint', bytes: history.checkpoint },
    ...(names ? [{ path: 'names', bytes: Buffer.from(formatCommittedNames(names)) }] : []),
    ...history.entries.flatMap((entry) => [
      { path: `entry/${entry.index}.json`, bytes: entry.entry },
      { path: `entry/${entry.index}.tlog-proof`, bytes: receiptOf(history, entry) },
    ]),
  ];
  return tarOf(files);
}
