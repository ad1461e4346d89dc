import { createCipheriv, createDecipheriv, scrypt } from 'node:crypto';
import { setIdBytes } from '../ceremony/shamir.ts';
import { SoftHsmError } from '../errors.ts';
import type { Random } from '../random/random-source.ts';
import type { LmkStatus } from './lmk.ts';

/** Cost of the passphrase: 128 MiB and about half a second. */
const scryptCost = { N: 2 ** 17, r: 8, p: 1 };
const scryptMemory = { maxmem: 2 * 128 * scryptCost.N * scryptCost.r };
const sealingKeyBytes = 32;
const tagBytes = 16;
const fileVersion = 2;
const lmkBytes = 32;
const seedBytes = 32;

export const saltBytes = 16;
export const nonceBytes = 12;

/** What stands beside the sealed LMK, in clear and authenticated. */
export interface SealedLmkLabel {
  /** `00` to `19`. */
  lmkId: string;
  status: LmkStatus;
  /** 6 hex digits. */
  checkValue: string;
  /** Number of the last start of this HSM; the audit log must agree. */
  bootCounter: number;
  /** Whether that start is in the audit log already: the sealed LMK is written before and after. */
  logged: boolean;
}

/** What the sealing key comes from: one passphrase, or a set of shares. Bytes as upper-case hex. */
export type SealedBy = { passphrase: { salt: string } } | { shares: { setId: string } };

/** What is sealed. The caller wipes it. */
export interface LmkSecrets {
  /** AES, 32 bytes. */
  lmk: Uint8Array;
  /** Of the HSM's own keys (audit log, configuration, backup), 32 bytes: it outlives a change of the LMK. */
  seed: Uint8Array;
}

/** The file `lmk.sealed`, JSON; bytes as upper-case hex. */
export interface SealedLmk extends SealedLmkLabel {
  version: typeof fileVersion;
  by: SealedBy;
  nonce: string;
  /** AES-256-GCM of LMK and seed, then the 16-byte tag. */
  sealed: string;
}

/** `salt`: 16 bytes. The caller wipes the key. */
export function sealingKeyFromPassphrase(passphrase: Uint8Array, salt: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(passphrase, salt, sealingKeyBytes, { ...scryptCost, ...scryptMemory }, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });
}

/** `sealingKey`: 32 bytes; `nonce`: 12 bytes that this key has never seen. */
export function sealLmk(
  { lmk, seed }: LmkSecrets,
  label: SealedLmkLabel,
  by: SealedBy,
  sealingKey: Uint8Array,
  nonce: Uint8Array,
): SealedLmk {
  const cipher = createCipheriv('aes-256-gcm', sealingKey, nonce);
  cipher.setAAD(associatedData(label));
  const sealed = Buffer.concat([
    cipher.update(lmk),
    cipher.update(seed),
    cipher.final(),
    cipher.getAuthTag(),
  ]);
  return { version: fileVersion, ...label, by, nonce: hex(nonce), sealed: hex(sealed) };
}

/** Throws SOFT_HSM_SEAL for a wrong key and for any changed field alike. */
export function unsealLmk(file: SealedLmk, sealingKey: Uint8Array): LmkSecrets {
  const sealed = Buffer.from(file.sealed, 'hex');
  const cipher = createDecipheriv('aes-256-gcm', sealingKey, Buffer.from(file.nonce, 'hex'));
  cipher.setAAD(associatedData(file));
  cipher.setAuthTag(sealed.subarray(-tagBytes));
  const secrets = cipher.update(sealed.subarray(0, -tagBytes));
  try {
    cipher.final();
    return {
      lmk: Uint8Array.from(secrets.subarray(0, lmkBytes)),
      seed: Uint8Array.from(secrets.subarray(lmkBytes)),
    };
  } catch {
    throw new SoftHsmError('SOFT_HSM_SEAL', 'the sealed LMK does not open: wrong passphrase or changed file');
  } finally {
    secrets.fill(0);
  }
}

/** New secrets, from `random`. */
export function newLmkSecrets(random: Random): LmkSecrets {
  return { lmk: random(lmkBytes), seed: random(seedBytes) };
}

export function formatSealedLmk(file: SealedLmk): Buffer {
  return Buffer.from(`${JSON.stringify(file, undefined, 2)}\n`);
}

/** Reads the file's form; whether it is authentic shows in `unsealLmk`. */
export function parseSealedLmk(contents: string): SealedLmk {
  let file: Partial<SealedLmk> | null;
  try {
    file = JSON.parse(contents);
  } catch {
    file = null;
  }
  if (
    typeof file !== 'object' ||
    file === null ||
    file.version !== fileVersion ||
    typeof file.lmkId !== 'string' ||
    !/^[01][0-9]$/.test(file.lmkId) ||
    (file.status !== 'live' && file.status !== 'test') ||
    !hexOf(file.checkValue, 3) ||
    !Number.isSafeInteger(file.bootCounter) ||
    typeof file.logged !== 'boolean' ||
    !isSealedBy(file.by) ||
    !hexOf(file.nonce, nonceBytes) ||
    !hexOf(file.sealed, lmkBytes + seedBytes + tagBytes)
  ) {
    throw new SoftHsmError('SOFT_HSM_SEAL', `the sealed LMK is not a file of version ${fileVersion}`);
  }
  return file as SealedLmk;
}

function isSealedBy(value: unknown): value is SealedBy {
  const { passphrase, shares } = (value ?? {}) as {
    passphrase?: { salt?: unknown };
    shares?: { setId?: unknown };
  };
  return passphrase ? hexOf(passphrase.salt, saltBytes) : hexOf(shares?.setId, setIdBytes);
}

function hexOf(value: unknown, bytes: number): boolean {
  return typeof value === 'string' && new RegExp(`^[0-9A-F]{${2 * bytes}}$`).test(value);
}

/** file version[1] LMK id[2] status[1, L or T] check value[6] boot counter[8] logged[1] */
function associatedData({ lmkId, status, checkValue, bootCounter, logged }: SealedLmkLabel): Buffer {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(bootCounter));
  const text = `${lmkId}${status === 'live' ? 'L' : 'T'}${checkValue}`;
  return Buffer.concat([
    Uint8Array.of(fileVersion),
    Buffer.from(text, 'latin1'),
    counter,
    Uint8Array.of(logged ? 1 : 0),
  ]);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').toUpperCase();
}
