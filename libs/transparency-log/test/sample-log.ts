import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  type Checkpoint,
  type CheckpointTrust,
  CompactRange,
  formatEntryBundle,
  growTiles,
  leafHash,
  type NoteSigner,
  type ReadTile,
  type SignatureType,
  type SubtreeHash,
  subtreeHashFromTiles,
  type Tile,
  tilePath,
  verifierKey,
} from '../src/index.ts';

export const utf8 = (text: string): Uint8Array => Buffer.from(text, 'utf8');
export const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex').toUpperCase();

/** Entries that differ: "0", "1", "2" and so on. */
export function numberedEntries(count: number, first = 0): Uint8Array[] {
  return Array.from({ length: count }, (_, n) => utf8(String(first + n)));
}

/** A log in memory, as its tiles; partial tiles of every size at which it was grown stay. */
export class SampleLog {
  readonly range = CompactRange.empty();
  readonly entries: Uint8Array[] = [];
  readonly files = new Map<string, Uint8Array>();
  readonly origin: string;

  constructor(origin = 'example.com/sample-log', entries: readonly Uint8Array[] = []) {
    this.origin = origin;
    this.grow(entries);
  }

  grow(entries: readonly Uint8Array[]): void {
    const hashes = entries.map(leafHash);
    for (const { tile, bytes } of growTiles(this.range.size, this.readTile, hashes)) {
      this.files.set(tilePath(tile), bytes);
    }
    for (const hash of hashes) this.range.append(hash);
    this.entries.push(...entries);
  }

  readonly readTile: ReadTile = (tile) => {
    const bytes = this.files.get(tilePath(tile));
    if (bytes === undefined) throw new Error(`the sample log has no ${tilePath(tile)}`);
    return bytes;
  };

  subtreeHash(size = this.range.size): SubtreeHash {
    return subtreeHashFromTiles(size, this.readTile);
  }

  bundle({ index, width }: Tile): Uint8Array {
    const first = Number(index) * 256;
    return formatEntryBundle(this.entries.slice(first, first + width));
  }

  checkpoint(size = this.range.size): Checkpoint {
    return { origin: this.origin, size, root: CompactRange.read(size, this.subtreeHash(size)).root() };
  }
}

/** A private Ed25519 key of 32 times the same byte: for tests only. */
export function ed25519Key(fill: number): KeyObject {
  const pkcs8 = Buffer.concat([
    Buffer.from('302e020100300506032b657004220420', 'hex'),
    Buffer.alloc(32, fill),
  ]);
  return createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
}

/** A signer whose key is in this process. */
export function localSigner(name: string, type: SignatureType, key: KeyObject): NoteSigner {
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const ecdsa = type === 'ecdsa-sha256';
  return {
    key: verifierKey(name, type, ecdsa ? spki : spki.subarray(-32)),
    sign: async (message) => sign(ecdsa ? 'sha256' : null, message, key),
  };
}

export const logSigner = localSigner('example.com/sample-log', 'ed25519', ed25519Key(1));
export const witnessSigners = [2, 3].map((fill) =>
  localSigner(`witness.example/${fill}`, 'cosignature/v1', ed25519Key(fill)),
);

export const sampleTrust: CheckpointTrust = {
  origin: 'example.com/sample-log',
  logKeys: [logSigner.key],
  witnesses: witnessSigners.map(({ key }) => key),
  quorum: 0,
};

/** `test/vectors/transparency-log.json`. */
export interface Vectors {
  keys: { log: VectorKey; witnesses: VectorKey[] };
  /** Canonical JSON. */
  entries: string[];
  leafHashes: string[];
  history: { size: number; checkpoint: string }[];
  consistency: { size1: number; size2: number; proof: string[] };
  /** One for each entry. */
  receipts: string[];
  /** By path, hex. */
  tiles: Record<string, string>;
  rekor: { vkey: string; note: string };
}

interface VectorKey {
  name: string;
  type: SignatureType;
  seed: string;
  vkey: string;
}

export const vectors: Vectors = JSON.parse(
  readFileSync(new URL('../../../test/vectors/transparency-log.json', import.meta.url), 'utf8'),
);
