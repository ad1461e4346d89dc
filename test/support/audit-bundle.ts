import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  addSignatures,
  CompactRange,
  canonicalJson,
  cosignCheckpoint,
  formatEntryBundle,
  formatReceipt,
  formatVerifierKey,
  growTiles,
  inclusionProof,
  type JsonValue,
  leafHash,
  type NoteSigner,
  signCheckpoint,
  subtreeHashFromTiles,
  type Tile,
  tilePath,
  verifierKey,
} from '@openkdh/transparency-log';

/** A member of an entry, or an entry: docs/audit-log.md. */
export type Event = { [name: string]: JsonValue };

/** The key of a log, P-256 like that of a KDH. */
export function makeLogKey(origin: string): { signer: NoteSigner; text: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const key = verifierKey(origin, 'ecdsa-sha256', publicKey.export({ format: 'der', type: 'spki' }));
  return {
    signer: { key, sign: async (data) => sign('sha256', data, privateKey) },
    text: formatVerifierKey(key),
  };
}

/** The key of a witness. */
export function makeWitnessKey(name: string): { signer: NoteSigner; text: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  const key = verifierKey(name, 'cosignature/v1', spki.subarray(-32));
  return {
    signer: { key, sign: async (data) => sign(null, data, privateKey) },
    text: formatVerifierKey(key),
  };
}

/** The checkpoint with a cosignature of each, one second after another. */
export async function cosigned(note: Uint8Array, witnesses: readonly NoteSigner[]): Promise<Uint8Array> {
  const times = witnesses.map((_, n) => 1_764_000_000n + BigInt(n));
  return addSignatures(
    note,
    await Promise.all(witnesses.map((witness, n) => cosignCheckpoint(note, witness, times[n]!))),
  );
}

export const uuid = (n: number) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;
export const aesKsn = (device: number) =>
  `A1B2C3D4${device.toString(16).toUpperCase().padStart(8, '0')}00000000`;

/** All that happens to an attempt that is confirmed. `device`: of its KSN; none for a first key. */
export function lifeOfAttempt(attempt: number, terminal: number, number: number, device?: number): Event[] {
  const ksn = device === undefined ? null : aesKsn(device);
  const steps: [state: string, body: Event][] = [
    ['REQUESTED', { kind: ksn ? 'KEYS' : 'KBPK', number }],
    ['APPROVED', { approvers: ['operator:ann', 'operator:bob'] }],
    ...(ksn ? ([['KSN_RESERVED', { ksns: [ksn] }]] as [string, Event][]) : []),
    ['DERIVING', { hsm: 'soft' }],
    ['WRAPPED', {}],
    ['DISPATCHABLE', { keys: [{ slot: 'S', ksn, kcv: '012345', sha256: 'AB' }] }],
    ['SENT', {}],
    ['OUTCOME_UNKNOWN', {}],
    ['RESULT_RECEIVED', {}],
    ['CONFIRMED', {}],
  ];
  return steps.map(([state, body], n) => ({
    v: 1,
    id: String(attempt * 100 + n + 1),
    time: `2026-11-24T12:00:${String(n).padStart(2, '0')}.000000Z`,
    type: `attempt.${state.toLowerCase()}`,
    actor: n === 0 ? 'operator:eve' : 'node:a',
    terminal: uuid(terminal),
    attempt: uuid(attempt),
    body: n === 0 ? body : { ...body, from: steps[n - 1]![0], version: n + 1 },
  }));
}

/** The same where nobody has to approve, as a KDH writes it: an entry for each move, not for each state. */
export function movesOfAttempt(attempt: number, terminal: number, number: number, device?: number): Event[] {
  const [requested, , ...steps] = lifeOfAttempt(attempt, terminal, number, device) as [Event, ...Event[]];
  const moves: Event[] = [
    { ...requested, body: { ...(requested.body as Event), rule: 'none-must-approve' } },
  ];
  const passed = { 'attempt.wrapped': 'WRAPPED', 'attempt.result_received': 'RESULT_RECEIVED' };
  for (const [n, step] of steps.entries()) {
    if ((step.type as string) in passed) continue;
    const before = steps[n - 1];
    const through = passed[before?.type as keyof typeof passed];
    const { from } = (through ? before : step)!.body as Event;
    moves.push({
      ...step,
      body: { ...(step.body as Event), from: from!, ...(through && { through: [through] }) },
    });
  }
  return moves;
}

export const entriesOf = (events: readonly Event[]) => events.map(canonicalJson);

/** The tiles of a log with these entries, by path: hashes of all levels, and bundles of entries. */
function tilesOf(entries: readonly Uint8Array[]): Map<string, Uint8Array> {
  const tiles = new Map<string, Uint8Array>();
  for (const { tile, bytes } of growTiles(0n, () => new Uint8Array(), entries.map(leafHash))) {
    tiles.set(tilePath(tile), bytes);
    if (tile.level !== 0) continue;
    const first = Number(tile.index) * 256;
    const held = entries.slice(first, first + tile.width);
    tiles.set(tilePath({ ...tile, level: 'entries' } as Tile), formatEntryBundle(held));
  }
  return tiles;
}

/** The signed checkpoint of a log with these entries. */
export function checkpointOf(entries: readonly Uint8Array[], signer: NoteSigner): Promise<Uint8Array> {
  const tree = CompactRange.empty();
  for (const entry of entries) tree.append(leafHash(entry));
  return signCheckpoint({ origin: signer.key.name, size: tree.size, root: tree.root() }, signer);
}

/** Writes the bundle of a whole log, or of the entries at the indices in `part`. */
export async function writeBundle(
  folder: string,
  entries: readonly Uint8Array[],
  signer: NoteSigner,
  part?: readonly number[],
): Promise<void> {
  const write = (path: string, bytes: Uint8Array | string) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), bytes);
  };
  const checkpoint = await checkpointOf(entries, signer);
  const tiles = tilesOf(entries);
  write('bundle.json', `{"content":"${part ? 'part' : 'whole'}","format":1}`);
  write('key', `${formatVerifierKey(signer.key)}\n`);
  write('checkpoint', checkpoint);
  if (part === undefined) {
    for (const [path, bytes] of tiles) if (/^tile\/(0|entries)\//.test(path)) write(path, bytes);
    return;
  }
  const size = BigInt(entries.length);
  const subtreeHash = subtreeHashFromTiles(size, (tile) => tiles.get(tilePath(tile))!);
  for (const index of part) {
    const proof = inclusionProof(BigInt(index), size, subtreeHash);
    write(`entry/${index}.json`, entries[index]!);
    write(`entry/${index}.tlog-proof`, formatReceipt({ index: BigInt(index), proof, checkpoint }));
  }
}
