import { readFileSync } from 'node:fs';

/** A published key block; see `about` in the file. */
export interface KeyBlockVector {
  id: string;
  standard?: string;
  kbpk: string;
  key: string;
  padding: string;
  maskedKeyLength: number;
  keyBlock: string;
  header: {
    raw: string;
    versionId: 'A' | 'B' | 'C' | 'D' | 'E';
    length: number;
    keyUsage: string;
    algorithm: string;
    modeOfUse: string;
    keyVersion: string;
    exportability: string;
    optionalBlockCount: number;
    keyContext: string;
    reserved: string;
  };
  optionalBlocks: { id: string; data: string }[];
  derived: { kbek: string; kbak: string };
  kcv?: string;
  strictDeviations?: string[];
}

export interface KeyBlockErratum {
  id: string;
  kbpk?: string;
  keyBlockAsPrinted?: string;
}

/** A key block under an LMK; see `about` in the file. */
export interface ThalesVector {
  name?: string;
  lmk: string;
  block: string;
  header: string;
  clear_key: string;
  pad: string;
}

export interface ThalesVectors {
  test_lmks: Record<
    'aes_key_block' | 'tdes_key_block',
    { key: string; check_value: string; kbek: string; kbak: string }
  >;
  s_block_v1: { vectors: ThalesVector[]; negative: { name: string; block: string; lmk_key?: string }[] };
  s_block_v0: { vectors: ThalesVector[] };
  s_block_v0_rsa_private: {
    vectors: {
      name: string;
      header: string;
      block_hex: string;
      plaintext_hex: string;
      pad: string;
      modulus: string;
    }[];
  };
}

export const keyBlockVectors = read<{ cases: KeyBlockVector[]; errata: KeyBlockErratum[] }>('tr31.json');
export const thalesVectors = read<ThalesVectors>('payshield.json');

function read<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/${file}`, import.meta.url), 'utf8')) as T;
}

export function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'));
}

export function upperHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').toUpperCase();
}
