import { createHmac } from 'node:crypto';
import {
  aes,
  type BlockCipher,
  cbcDecrypt,
  cbcEncrypt,
  cmac,
  equalConstantTime,
  retailMac,
  tdes,
} from '@openkdh/block-ciphers';
import { DukptError, requireLength } from './errors.ts';

/** AES by node:crypto: a working key is set up once for a message, so its timing safety costs little. */
const dataCiphers = {
  TDES: { keyed: (key: Uint8Array) => tdes(key), keyLengths: [16, 24] },
  AES: { keyed: (key: Uint8Array) => aes(key, 'openssl'), keyLengths: [16, 24, 32] },
} as const satisfies Record<string, { keyed: (key: Uint8Array) => BlockCipher; keyLengths: number[] }>;

/** What a data key encrypts with, and a CMAC key authenticates with. */
export type DataCipher = keyof typeof dataCiphers;

/**
 * `RETAIL`: ISO 9797-1 algorithm 3, zero padding, 8 bytes; `TDES_CMAC` and `AES_CMAC`: NIST SP 800-38B, 8 and 16
 * bytes; `HMAC_SHA256`: FIPS 198-1, 32 bytes. Both a retail MAC and a CMAC occur with TDES DUKPT.
 */
export type MacMethod = 'RETAIL' | 'TDES_CMAC' | 'AES_CMAC' | 'HMAC_SHA256';

/**
 * Encrypts message data with a data key: CBC with zero IV and zero padding to whole blocks, as in the examples of
 * ANSI X9.24-1:2009, A.4. The key serves for one message in one direction, which is what makes a zero IV safe.
 */
export function encryptData(cipher: DataCipher, dataKey: Uint8Array, data: Uint8Array): Uint8Array {
  return withCipher(cipher, dataKey, 'data key', (keyed) => {
    const padded = new Uint8Array(Math.ceil(data.length / keyed.blockBytes) * keyed.blockBytes);
    padded.set(data);
    const encrypted = cbcEncrypt(keyed, new Uint8Array(keyed.blockBytes), padded);
    padded.fill(0);
    return encrypted;
  });
}

/**
 * Decrypts what `encryptData` made. The zero padding stays: only the message format knows where its data ends.
 * Refuses partial blocks with DUKPT_DATA_LENGTH.
 */
export function decryptData(cipher: DataCipher, dataKey: Uint8Array, encrypted: Uint8Array): Uint8Array {
  return withCipher(cipher, dataKey, 'data key', (keyed) => {
    if (encrypted.length % keyed.blockBytes !== 0) {
      throw new DukptError(
        'DUKPT_DATA_LENGTH',
        `encrypted data: expected whole blocks of ${keyed.blockBytes} bytes, got ${encrypted.length}`,
      );
    }
    return cbcDecrypt(keyed, new Uint8Array(keyed.blockBytes), encrypted);
  });
}

/** The MAC of a message, not truncated; ANSI X9.19 sends the left 4 bytes of a retail MAC. */
export function generateMac(method: MacMethod, macKey: Uint8Array, message: Uint8Array): Uint8Array {
  switch (method) {
    case 'RETAIL':
      requireLength(macKey, [16], 'DUKPT_KEY_LENGTH', 'MAC key');
      return retailMac(macKey, message);
    case 'TDES_CMAC':
      return withCipher('TDES', macKey, 'MAC key', (keyed) => cmac(keyed, message));
    case 'AES_CMAC':
      return withCipher('AES', macKey, 'MAC key', (keyed) => cmac(keyed, message));
    case 'HMAC_SHA256':
      requireLength(macKey, [16, 24, 32], 'DUKPT_KEY_LENGTH', 'MAC key');
      return new Uint8Array(createHmac('sha256', macKey).update(message).digest());
  }
}

/**
 * Whether `mac` is the MAC of the message, whole or its left bytes, compared in constant time. Fewer than 4 bytes, or
 * more than the method gives, are refused with DUKPT_MAC_LENGTH.
 */
export function verifyMac(
  method: MacMethod,
  macKey: Uint8Array,
  message: Uint8Array,
  mac: Uint8Array,
): boolean {
  const expected = generateMac(method, macKey, message);
  if (mac.length < 4 || mac.length > expected.length) {
    throw new DukptError(
      'DUKPT_MAC_LENGTH',
      `MAC: expected 4 to ${expected.length} bytes, got ${mac.length}`,
    );
  }
  return equalConstantTime(expected.subarray(0, mac.length), mac);
}

function withCipher(
  cipher: DataCipher,
  key: Uint8Array,
  what: string,
  use: (keyed: BlockCipher) => Uint8Array,
): Uint8Array {
  const { keyed, keyLengths } = dataCiphers[cipher];
  requireLength(key, keyLengths, 'DUKPT_KEY_LENGTH', what);
  const blockCipher = keyed(key);
  try {
    return use(blockCipher);
  } finally {
    blockCipher.wipe();
  }
}
