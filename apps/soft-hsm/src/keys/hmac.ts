import { createHmac } from 'node:crypto';

/** What an HMAC key of one usage is for. */
export interface HmacAlgorithm {
  /** As node:crypto names it. */
  hash: string;
  /** Length of the MAC, and of the keys that are made here. */
  macBytes: number;
  /** Security strength, NIST SP 800-57 part 1 rev. 5, table 3; no more than an AES-256 LMK has. */
  strengthBits: number;
}

/** By key usage of a Thales key block; all with algorithm H. */
export const hmacAlgorithms: Readonly<Record<string, HmacAlgorithm>> = {
  61: { hash: 'sha1', macBytes: 20, strengthBits: 160 },
  62: { hash: 'sha224', macBytes: 28, strengthBits: 224 },
  63: { hash: 'sha256', macBytes: 32, strengthBits: 256 },
  64: { hash: 'sha384', macBytes: 48, strengthBits: 256 },
  65: { hash: 'sha512', macBytes: 64, strengthBits: 256 },
};

/** FIPS 198-1. */
export function hmac({ hash }: HmacAlgorithm, key: Uint8Array, data: Uint8Array): Buffer {
  return createHmac(hash, key).update(data).digest();
}
