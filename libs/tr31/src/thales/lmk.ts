import { randomBytes } from 'node:crypto';
import { aes, type CipherEngine, cmac, wipe } from '@openkdh/block-ciphers';
import { Tr31Error } from '../errors.ts';
import { asciiBytes, fromHex, hexForm, toHex } from '../hex.ts';
import { packKeyData, padded, unpackKeyData } from '../key-data.ts';
import { formatPaddedBlocks, type Random } from '../optional-blocks.ts';
import { ProtectionKey } from '../protection-key.ts';
import {
  fixedHeaderLength,
  formatFixedThalesHeader,
  parseThalesHeader,
  type ThalesHeader,
  thalesVersions,
} from './header.ts';

export interface ThalesWrapOptions {
  /** Bytes after the key inside the encrypted data; they must fill the last cipher block. Default: random. */
  padding?: Uint8Array;
  /** Source of that padding and of the filler of block PB. Default: `randomBytes` of node:crypto. */
  random?: Random;
}

export interface ThalesUnwrapped {
  header: ThalesHeader;
  /** The key in clear. The caller owns it and wipes it. */
  key: Uint8Array;
}

/**
 * A local master key, or a ZMK used the same way, kept for many blocks. Called by an HSM, never by a KDH.
 * Both unwraps verify before they decrypt, and throw Tr31Error: THALES_FORMAT or THALES_OPTIONAL_BLOCK… for a block
 * that cannot be followed, then TR31_UNWRAP_FAILED for everything that depends on the key.
 */
export interface LmkHandle {
  /** A key block in upper case, without the scheme tag S. Optional block PB is added where one is due. */
  wrap(header: ThalesHeader, key: Uint8Array, options?: ThalesWrapOptions): string;
  unwrap(block: string): ThalesUnwrapped;
  /** A private key as command EI returns it: a DER SEQUENCE without length in front, in a raw binary body. */
  wrapPrivateKey(header: ThalesHeader, derSequence: Uint8Array, options?: ThalesWrapOptions): Uint8Array;
  /** `key` is the DER SEQUENCE, without the padding after it. */
  unwrapPrivateKey(block: Uint8Array): ThalesUnwrapped;
  /** Fills the LMK and everything derived from it with zeros; afterwards every call throws TR31_DISPOSED. */
  dispose(): void;
}

/** `key`: 16 or 24 bytes for blocks of version 0, 16, 24 or 32 for version 1; copied. Throws TR31_KBPK_LENGTH. */
export function lmkHandle(key: Uint8Array, engine: CipherEngine = 'table'): LmkHandle {
  const protection = new ProtectionKey(key, engine);
  return {
    wrap(header, key, options = {}) {
      const { text, ciphertext, mac } = protect(protection, header, 'hex', options, (unit) =>
        packKeyData(key, unit, 0, options),
      );
      return text + toHex(ciphertext) + mac;
    },
    unwrap(block) {
      return unwrapped(open(protection, block, 'hex'), unpackKeyData);
    },
    wrapPrivateKey(header, derSequence, options = {}) {
      const { text, ciphertext, mac } = protect(protection, header, 'binary', options, (unit) =>
        padded(derSequence, unit, options),
      );
      return Buffer.concat([asciiBytes(text), ciphertext, asciiBytes(mac)]);
    },
    unwrapPrivateKey(block) {
      return unwrapped(open(protection, Buffer.from(block).toString('latin1'), 'binary'), derSequenceIn);
    },
    dispose: () => protection.dispose(),
  };
}

/**
 * Check value of an AES LMK, 3 bytes: CMAC over the empty message. Recomputed for the one public test LMK, so strong
 * but not proven. How a 3DES key block LMK's check value is made is not known.
 */
export function lmkCheckValue(key: Uint8Array): Uint8Array {
  const cipher = aes(key);
  try {
    return cmac(cipher).slice(0, 3);
  } finally {
    cipher.wipe();
  }
}

/**
 * How the body of a block is written. Hex for symmetric keys; binary for private keys, where only the MAC is hex. A
 * private key under an AES LMK (version 1) is not a published layout: it is the binary form of version 0 with the
 * cryptography of version 1.
 */
type Body = 'hex' | 'binary';

function protect(
  protection: ProtectionKey,
  header: ThalesHeader,
  body: Body,
  { random = randomBytes }: ThalesWrapOptions,
  pack: (unitBytes: number) => Uint8Array,
): { text: string; ciphertext: Uint8Array; mac: string } {
  const { cipher, blockBytes, macBytes } = thalesVersions[header.versionId];
  const binding = protection.binding(header.versionId, cipher);
  const plaintext = pack(blockBytes);
  try {
    const optional = formatPaddedBlocks(header.optionalBlocks, blockBytes, random);
    const bodyLength = plaintext.length * (body === 'hex' ? 2 : 1);
    const total = fixedHeaderLength + optional.text.length + bodyLength + 2 * macBytes;
    const text = formatFixedThalesHeader(header, total, optional.count) + optional.text;
    parseThalesHeader(text.padEnd(total)); // the same refusals as on reading
    const { ciphertext, mac } = binding.protect(asciiBytes(text), plaintext);
    return { text, ciphertext, mac: toHex(mac) };
  } finally {
    wipe(plaintext);
  }
}

function open(
  protection: ProtectionKey,
  block: string,
  body: Body,
): { header: ThalesHeader; plaintext: Uint8Array } {
  const { header, text } = parseThalesHeader(block);
  const { cipher, blockBytes, macBytes } = thalesVersions[header.versionId];
  const macStart = block.length - 2 * macBytes;
  const bodyLength = (macStart - text.length) / (body === 'hex' ? 2 : 1);
  const digits = hexForm(block, body === 'hex' ? text.length : macStart, block.length);
  if (bodyLength < blockBytes || bodyLength % blockBytes !== 0 || digits === 'none') {
    throw new Tr31Error('THALES_FORMAT', `the key data or the MAC are not ${body} of whole cipher blocks`);
  }
  const plaintext = protection
    .binding(header.versionId, cipher)
    .open(
      asciiBytes(text),
      body === 'hex' ? fromHex(block, text.length, macStart) : asciiBytes(block, text.length, macStart),
      fromHex(block, macStart, block.length),
    );
  if (!plaintext) {
    throw new Tr31Error('TR31_UNWRAP_FAILED', 'key block verification failed; possibly the wrong LMK');
  }
  return { header, plaintext };
}

function unwrapped(
  { header, plaintext }: { header: ThalesHeader; plaintext: Uint8Array },
  keyIn: (plaintext: Uint8Array) => Uint8Array | undefined,
): ThalesUnwrapped {
  try {
    const key = keyIn(plaintext);
    if (key) return { header, key };
    throw new Tr31Error('TR31_KEY_LENGTH_FIELD', 'the key data do not hold a key of the length they say');
  } finally {
    wipe(plaintext);
  }
}

/** The DER SEQUENCE at the start; undefined when there is none or it is longer than the data. */
function derSequenceIn(plaintext: Uint8Array): Uint8Array | undefined {
  if (plaintext[0] !== 0x30) return undefined;
  const lengthBytes = plaintext[1]! < 0x80 ? 0 : plaintext[1]! & 0x7f;
  if (lengthBytes > 2 || (plaintext[1]! >= 0x80 && lengthBytes === 0)) return undefined;
  let length = lengthBytes === 0 ? plaintext[1]! : 0;
  for (let i = 0; i < lengthBytes; i++) length = (length << 8) | plaintext[2 + i]!;
  const end = 2 + lengthBytes + length;
  return end <= plaintext.length ? plaintext.slice(0, end) : undefined;
}
