import { readFile } from 'node:fs/promises';
import {
  type Checkpoint,
  type CheckpointTrust,
  type CommittedName,
  formatVerifierKey,
  HistoryVerifier,
  hashesOfTile,
  leafHash,
  openCheckpoint,
  openCommittedNames,
  parseEntryBundle,
  parseReceipt,
  TransparencyLogError,
  type TransparencyLogErrorCode,
  tilePath,
  tilesOfGrowth,
  verifyInclusion,
} from '@openkdh/transparency-log';
import { defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { onFile } from '../files.ts';
import { count, optional, text } from '../members.ts';
import { readVerifierKey } from '../verifier-key.ts';
import { type AttemptCounts, AttemptRules } from './attempt-rules.ts';
import {
  bundleFiles,
  bundlePaths,
  type Content,
  entriesPath,
  entryPaths,
  hsmOfPath,
  namesPath,
  parseManifest,
  readBundlePart,
  readBundleText,
} from './bundle.ts';
import { parseEntry } from './entry.ts';
import { HsmLogs } from './hsm-logs.ts';
import {
  type Cosigned,
  cosignaturesIn,
  readWitnesses,
  trustIn,
  witnessMembers,
  wordsForWitnesses,
} from './trust.ts';

/** More people than any policy asks for. */
const mostApprovals = 9;
interface Verified {
  readonly content: Content;
  readonly origin: string;
  /** Decimal: entries of the log. */
  readonly size: string;
  /** Hex. */
  readonly root: string;
  /** If witnesses were named. */
  readonly cosigned?: readonly Cosigned[];
  /** Entries of the bundle. */
  readonly entries: number;
  /** Decimal: size of the previous checkpoint, if one was given. */
  readonly previousSize?: string;
  /** Of a whole history. */
  readonly attempts?: AttemptCounts;
  /** If the bundle has the own logs of HSMs: serial number and number of records of each. */
  readonly hsmLogs?: readonly { hsm: string; records: number }[];
  /** If the bundle has names: who each `operator:<commitment>` in the entries is. */
  readonly names?: readonly Pick<CommittedName, 'commitment' | 'name'>[];
}

export const verifyBundle = defineCommand({
  name: 'audit verify',
  summary:
    'Verifies a bundle with no network, and says what it verified. Its exit code tells failures apart.',
  positional: 'bundle',
  members: {
    bundle: text('folder of the bundle'),
    key: text('verifier key of the log that you have kept: a file, or the key itself'),
    previous: optional(text('file with a checkpoint that you have kept; the log must be its continuation')),
    ...witnessMembers,
    approvals: optional(count('people who must have approved what is confirmed (0)', mostApprovals)),
  },
  async run({ bundle, key, previous, witness, quorum, approvals = 0 }): Promise<Verified> {
    const trust = trustIn(await readVerifierKey(key, 'key'));
    const witnesses = await readWitnesses(witness, quorum);
    const content = parseManifest(await readBundleText(bundle, bundleFiles.manifest));
    requireSameKey(await readBundleText(bundle, bundleFiles.key), trust);
    const note = await readBundleText(bundle, bundleFiles.checkpoint);
    const { checkpoint, signatures } = openCheckpoint(note, { ...trust, ...witnesses });
    const kept =
      previous === undefined
        ? undefined
        : openCheckpoint(await onFile('previous', readFile(previous)), trust).checkpoint;
    const names = await readNames(bundle);
    const about = {
      content,
      origin: checkpoint.origin,
      size: String(checkpoint.size),
      root: Buffer.from(checkpoint.root).toString('hex').toUpperCase(),
      ...(kept !== undefined && { previousSize: String(kept.size) }),
      ...(witness !== undefined && { cosigned: cosignaturesIn(signatures) }),
      ...(names !== undefined && { names }),
    };
    if (content === 'part') {
      if (kept !== undefined) {
        throw new CliError('CLI_MEMBER_INVALID', 'previous: expected a whole bundle with it, got a part');
      }
      return { ...about, entries: await verifyPart(bundle, checkpoint, note) };
    }
    const hsmLogs = new HsmLogs(bundle, await hsmsIn(bundle));
    try {
      const rules = new AttemptRules(approvals, hsmLogs);
      await verifyWhole(
        bundle,
        new HistoryVerifier(checkpoint, { rules: [rules], ...(kept && { previous: kept }) }),
        checkpoint,
      );
      const { counts } = hsmLogs;
      return {
        ...about,
        entries: Number(checkpoint.size),
        attempts: rules.counts,
        ...(counts.length > 0 && { hsmLogs: counts }),
      };
    } finally {
      hsmLogs.close();
    }
  },
  text: (verified, { approvals = 0 }) => wordsFor(verified, approvals),
});

function requireSameKey(bytes: Uint8Array, { logKeys: [trusted] }: CheckpointTrust): void {
  if (Buffer.compare(bytes, Buffer.from(`${formatVerifierKey(trusted!)}\n`)) === 0) return;
  throw failure('TLOG_UNSIGNED', 'the bundle has another key than the one that you trust');
}

/** The names in a bundle, each of them the one that was committed to; undefined where the bundle has none. */
async function readNames(bundle: string): Promise<Verified['names']> {
  const bytes = await readBundlePart(bundle, namesPath);
  return bytes && openCommittedNames(bytes).map(({ commitment, name }) => ({ commitment, name }));
}

/** Serial numbers of the HSMs whose own logs are in a bundle. */
async function hsmsIn(bundle: string): Promise<string[]> {
  const hsms: string[] = [];
  for await (const path of bundlePaths(bundle)) {
    const hsm = hsmOfPath(path);
    if (hsm !== undefined) hsms.push(hsm);
  }
  return hsms;
}

/** Reads a whole history tile by tile. What a bundle has too little or too much is told by the verifier. */
async function verifyWhole(bundle: string, verifier: HistoryVerifier, { size }: Checkpoint): Promise<void> {
  let unread = 0;
  for await (const path of bundlePaths(bundle))
    if (!isReadBefore(path) && hsmOfPath(path) === undefined) unread += 1;
  for (const tile of tilesOfGrowth(0n, size)) {
    if (tile.level !== 0) break;
    const hashes = await readBundlePart(bundle, tilePath(tile));
    const entries = await readBundlePart(bundle, entriesPath(tile));
    if (hashes === undefined && entries === undefined) {
      if (unread === 0) break; // nor does it go on: the verifier tells that the tail is cut
      throw failure('TLOG_ENTRY_MISSING', `the bundle has nothing of tile ${tile.index}, but goes on`);
    }
    unread -= (hashes === undefined ? 0 : 1) + (entries === undefined ? 0 : 1);
    verifier.add(entries ? parseEntryBundle(entries) : [], hashes ? hashesOfTile(hashes, tile.width) : []);
  }
  verifier.end();
  if (unread > 0) throw failure('TLOG_MALFORMED', `${unread} files do not belong to the bundle`);
}

/** Verifies each entry of a part by its receipt; returns how many there are. */
async function verifyPart(bundle: string, checkpoint: Checkpoint, note: Uint8Array): Promise<number> {
  let entries = 0;
  for await (const path of bundlePaths(bundle)) {
    const [, digits, kind] = /^entry\/(0|[1-9]\d{0,18})\.(json|tlog-proof)$/.exec(path) ?? [];
    if (digits === undefined) {
      if (isReadBefore(path)) continue;
      throw failure('TLOG_MALFORMED', 'a part has a file that does not belong to it');
    }
    const index = BigInt(digits);
    const files = entryPaths(index);
    const [entry, receipt] = [
      await readBundlePart(bundle, files.entry),
      await readBundlePart(bundle, files.receipt),
    ];
    if (entry === undefined)
      throw failure('TLOG_ENTRY_MISSING', `the entry at ${index} has a receipt, but is not there`);
    if (receipt === undefined) throw failure('TLOG_NOT_INCLUDED', `the entry at ${index} has no receipt`);
    if (kind === 'json') {
      verifyEntry(entry, index, receipt, checkpoint, note);
      entries += 1;
    }
  }
  return entries;
}

/** Files of every bundle, whole or part. */
function isReadBefore(path: string): boolean {
  return [...Object.values<string>(bundleFiles), namesPath].includes(path);
}

function verifyEntry(
  entry: Uint8Array,
  index: bigint,
  receipt: Uint8Array,
  { size, root }: Checkpoint,
  note: Uint8Array,
): void {
  const said = parseReceipt(receipt);
  if (said.index !== index)
    throw failure('TLOG_NOT_INCLUDED', `the receipt of the entry at ${index} is of another`);
  if (Buffer.compare(said.checkpoint, note) !== 0) {
    throw failure(
      'TLOG_NOT_INCLUDED',
      `the receipt of the entry at ${index} has another checkpoint than the bundle`,
    );
  }
  verifyInclusion({ index, size, leafHash: leafHash(entry), root, proof: said.proof });
  parseEntry(entry, index);
}

function failure(code: TransparencyLogErrorCode, message: string): TransparencyLogError {
  return new TransparencyLogError(code, message);
}

function wordsFor(
  { content, origin, size, root, cosigned, entries, previousSize, attempts, hsmLogs, names }: Verified,
  approvals: number,
): string {
  const lines = [`The log ${origin} has ${size} entries with the root ${root}: its key signed that.`];
  if (cosigned !== undefined) lines.push(wordsForWitnesses(cosigned));
  if (content === 'part') {
    lines.push(`${entries} of them are in this bundle; each is in the log, at its place and unchanged.`);
    lines.push('Not verified: whether others were left out, and the rules. A whole bundle shows that.');
  } else {
    lines.push('All of them are in this bundle, unchanged and in order, and there is nothing else in it.');
    lines.push(
      previousSize === undefined
        ? 'Not verified: whether entries were cut off or the log was made anew; only a checkpoint that you have kept shows that.'
        : `They continue the checkpoint of ${previousSize} entries that you have kept: nothing was cut off or made anew.`,
    );
    lines.push(wordsForRules(attempts!, approvals));
    for (const { hsm, records } of hsmLogs ?? [])
      lines.push(
        `The log of HSM ${hsm} is an unbroken chain of ${records} records, with every head that was anchored.`,
      );
  }
  if (names !== undefined) lines.push(wordsForNames(names));
  return lines.map((line) => `${line}\n`).join('');
}

function wordsForRules({ ended, open, ksns }: AttemptCounts, approvals: number): string {
  const ends = Object.entries(ended).map(([state, number]) => `${number} ${state}`);
  const approved =
    approvals === 0 ? 'approvals were not asked for' : `what is confirmed has ${approvals} approvals`;
  return [
    `Every attempt went step by step (${[...ends, `${open} open`].join(', ')}), no terminal's count has a gap,`,
    `${ksns} KSNs were reserved before their keys were derived, none twice and none skipped; ${approved}.`,
  ].join('\n');
}

function wordsForNames(names: NonNullable<Verified['names']>): string {
  return [
    `The names of ${names.length} people are those that they were given when their commitments were made:`,
    ...names.map(({ commitment, name }) => `  operator:${commitment} is ${name}`),
  ].join('\n');
}
