import { randomBytes } from 'node:crypto';
import { type CipherEngine, wipe } from '@openkdh/block-ciphers';
import { checkPayloadLength } from './check.ts';
import { checkKey } from './check-key.ts';
import { requireBytes, Tr31Error } from './errors.ts';
import { type Finding, finding } from './findings.ts';
import { formatFixedHeader } from './format.ts';
import { asciiBytes, fromHex, toHex } from './hex.ts';
import { fixedHeaderLength, type KeyBlockHeader } from './key-block-header.ts';
import { keyDataBytes, type PaddingOptions, packKeyData, unpackKeyData } from './key-data.ts';
import { formatPaddedBlocks, type Random } from './optional-blocks.ts';
import { judge, type ProfileOptions, refuseBrokenStructure } from './profiles.ts';
import { ProtectionKey } from './protection-key.ts';
import { readHeader, readKeyBlock } from './read.ts';
import { obfuscatedKeyBytes, rowOf, versions } from './tables.ts';

/** `maskedKeyLength` defaults to the longest key of the algorithm: key length obfuscation, X9.143:2021, 6.1. */
export interface WrapOptions extends ProfileOptions, PaddingOptions {}

export interface Unwrapped {
  header: KeyBlockHeader;
  /** The key in clear. The caller owns it and wipes it. */
  key: Uint8Array;
  /** The bytes after the key; with them a wrap comes out the same. */
  padding: Uint8Array;
  /** What the profile let pass. */
  deviations: Finding[];
}

/** One KBPK for many blocks: what a version derives from it is made at its first use and kept. */
export interface KbpkHandle {
  /** As the function `wrap`. */
  wrap(header: KeyBlockHeader, key: Uint8Array, options?: WrapOptions): string;
  /** As the function `unwrap`. */
  unwrap(keyBlock: string, options?: ProfileOptions): Unwrapped;
  /** Fills the KBPK and everything derived from it with zeros; afterwards every call throws TR31_DISPOSED. */
  dispose(): void;
}

/**
 * Keeps a key block protection key for bulk work. `key`: 16 or 24 bytes for versions A, B, C; 16, 24 or 32 for D, E;
 * copied. Throws TR31_KBPK_LENGTH.
 */
export function kbpk(key: Uint8Array, engine: CipherEngine = 'table'): KbpkHandle {
  const protection = new ProtectionKey(key, engine);
  return {
    wrap: (header, key, options) => wrapUnder(protection, header, key, options),
    unwrap: (keyBlock, options) => unwrapUnder(protection, keyBlock, options),
    dispose: () => protection.dispose(),
  };
}

/**
 * Wraps a key: a key block in upper case. A block PB is added where one is due; length and counts are worked out.
 * Throws Tr31Error: a finding code where header or key break a rule that the profile does not let pass,
 * TR31_KBPK_LENGTH, TR31_KEY_LENGTH (1 to 8191 bytes), TR31_PADDING_LENGTH, TR31_BLOCK_TOO_LONG, TR31_ARGUMENT.
 */
export function wrap(
  kbpkKey: Uint8Array,
  header: KeyBlockHeader,
  key: Uint8Array,
  options?: WrapOptions,
): string {
  const protection = new ProtectionKey(kbpkKey, 'table');
  try {
    return wrapUnder(protection, header, key, options);
  } finally {
    protection.dispose();
  }
}

/**
 * Authenticates and decrypts a key block; then judges header and key. Throws Tr31Error: a structural code for a block
 * that cannot be followed, TR31_KBPK_LENGTH, TR31_UNWRAP_FAILED for everything that depends on the KBPK, and a finding
 * code for an authentic block that breaks a rule that the profile does not let pass.
 */
export function unwrap(kbpkKey: Uint8Array, keyBlock: string, options?: ProfileOptions): Unwrapped {
  const protection = new ProtectionKey(kbpkKey, 'table');
  try {
    return unwrapUnder(protection, keyBlock, options);
  } finally {
    protection.dispose();
  }
}

function wrapUnder(
  protection: ProtectionKey,
  header: KeyBlockHeader,
  key: Uint8Array,
  options: WrapOptions = {},
): string {
  requireBytes(key, 'a key');
  const version = rowOf(versions, header.versionId);
  if (!version) {
    throw new Tr31Error('TR31_VERSION', `version id ${header.versionId}, expected A, B, C, D or E`);
  }
  const masked = obfuscatedKeyBytes(header.algorithm);
  const bytes = keyDataBytes(key.length, version.payloadUnitBytes, masked, options);
  const text = formatPadded(header, bytes, options.random ?? randomBytes);
  const findings: Finding[] = [];
  const read = readHeader(text, findings);
  checkPayloadLength(header, version, text.length, text.length + 2 * bytes, findings);
  judge(findings, options); // before any key is touched

  const binding = protection.binding(header.versionId, version.cipher);
  checkKey(read!, key, protection.key, findings);
  judge(findings, options);
  const plaintext = packKeyData(key, version.payloadUnitBytes, masked, options);
  try {
    const { ciphertext, mac } = binding.protect(asciiBytes(text), plaintext);
    return text + toHex(ciphertext) + toHex(mac);
  } finally {
    wipe(plaintext);
  }
}

/** The header text for so many bytes of key data, with a block PB added where the optional blocks need one. */
function formatPadded(header: KeyBlockHeader, keyDataBytes: number, random: Random): string {
  const { blockBytes, macBytes } = versions[header.versionId];
  const { text, count } = formatPaddedBlocks(header.optionalBlocks, blockBytes, random);
  const total = fixedHeaderLength + text.length + 2 * (keyDataBytes + macBytes);
  return formatFixedHeader(header, total, count) + text;
}

function unwrapUnder(protection: ProtectionKey, keyBlock: string, options: ProfileOptions = {}): Unwrapped {
  const findings: Finding[] = [];
  const read = readKeyBlock(keyBlock, findings);
  refuseBrokenStructure(findings);
  const { head, macStart } = read!;
  const { header, version, length } = head;
  const plaintext = protection
    .binding(header.versionId, version.cipher)
    .open(
      asciiBytes(keyBlock, 0, length),
      fromHex(keyBlock, length, macStart),
      fromHex(keyBlock, macStart, keyBlock.length),
    );
  if (!plaintext) {
    throw new Tr31Error('TR31_UNWRAP_FAILED', 'key block verification failed; possibly the wrong KBPK');
  }
  const key = unpackKeyData(plaintext);
  try {
    if (key) {
      checkKey(head, key, protection.key, findings);
    } else {
      const message = 'the key data do not hold a key of the length they say';
      findings.push(finding('TR31_KEY_LENGTH_FIELD', length, macStart, message));
    }
    const deviations = judge(findings, options);
    return { header, key: key!, padding: plaintext.slice(2 + key!.length), deviations };
  } catch (refusal) {
    wipe(key);
    throw refusal;
  } finally {
    wipe(plaintext);
  }
}
