import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** A key to look for, with the name that a finding bears. */
export interface Needle {
  name: string;
  key: Uint8Array;
}

/** All the ways in which a key may be written: bytes, hex in both cases, base64 at each of the three alignments. */
function formsOf({ name, key }: Needle): { name: string; bytes: Buffer }[] {
  const hex = Buffer.from(key).toString('hex');
  const base64 = [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), key]).toString('base64');
    return text.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + key.length) * 8) / 6)); // what no neighbour changes
  });
  return [
    { name: `${name} as bytes`, bytes: Buffer.from(key) },
    { name: `${name} as hex`, bytes: Buffer.from(hex) },
    { name: `${name} as HEX`, bytes: Buffer.from(hex.toUpperCase()) },
    ...base64.map((text) => ({ name: `${name} as base64`, bytes: Buffer.from(text) })),
  ];
}

/** Names of the needles that are in `haystack`. */
export function findKeys(haystack: Uint8Array, needles: Needle[]): string[] {
  const buffer = Buffer.from(haystack.buffer, haystack.byteOffset, haystack.byteLength);
  return needles
    .flatMap(formsOf)
    .filter(({ bytes }) => buffer.includes(bytes))
    .map(({ name }) => name);
}

/** Looks through all memory of a process that it can read and write: heap, stacks, buffers. */
export function findKeysInMemory(pid: number, needles: Needle[]): { found: string[]; scannedBytes: number } {
  const regions = readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .map((line) => /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line))
    .filter((match) => match !== null)
    .map((match) => [Number.parseInt(match[1]!, 16), Number.parseInt(match[2]!, 16)] as const);
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  const found = new Set<string>();
  let scannedBytes = 0;
  try {
    for (const [start, end] of regions) {
      const chunk = Buffer.allocUnsafe(end - start);
      try {
        const read = readSync(memory, chunk, 0, chunk.length, start);
        scannedBytes += read;
        for (const name of findKeys(chunk.subarray(0, read), needles)) found.add(name);
      } catch {
        // a region that went away, or that the kernel keeps to itself
      } finally {
        chunk.fill(0);
      }
    }
  } finally {
    closeSync(memory);
  }
  return { found: [...found], scannedBytes };
}

/** Looks through every file below `folder` but those below `except`. */
export function findKeysInFiles(
  folder: string,
  except: string[],
  needles: Needle[],
): { found: string[]; files: number } {
  const found: string[] = [];
  let files = 0;
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, name);
    const content = except.some((start) => path.startsWith(start)) ? undefined : contentOf(path);
    if (content === undefined) continue;
    files += 1;
    found.push(...findKeys(content, needles).map((what) => `${what} in ${name}`));
  }
  return { found, files };
}

/** Of what is no file, or not any more (a running PostgreSQL makes and removes files), undefined. */
function contentOf(path: string): Buffer | undefined {
  try {
    return statSync(path).isFile() ? readFileSync(path) : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
