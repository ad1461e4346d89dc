/**
 * The ways to bind header and key data to each other, with the keys of one KBPK (or LMK) derived and scheduled.
 * ANSI X9.143:2021, 7; the two of Thales as recomputed from public vectors.
 */
import {
  aes,
  type BlockCipher,
  type CipherEngine,
  cbcDecrypt,
  cbcEncrypt,
  cbcMac,
  cmacOf,
  ctr,
  equalConstantTime,
  tdes,
  wipe,
} from '@openkdh/block-ciphers';
import { type BlockKeys, derivedKeys, variantKeys } from './derive.ts';
import type { VersionId } from './tables.ts';

export interface Binding {
  protect(header: Uint8Array, plaintext: Uint8Array): { ciphertext: Uint8Array; mac: Uint8Array };
  /** The plaintext, which the caller wipes; undefined when the MAC is not that of these bytes. */
  open(header: Uint8Array, ciphertext: Uint8Array, mac: Uint8Array): Uint8Array | undefined;
  wipe(): void;
}

/**
 * The binding of a version of X9.143, or of Thales (`0`, `1`). `key`: of a length that the version has; the caller
 * keeps it and wipes it.
 */
export function bindingOf(versionId: VersionId | '0' | '1', key: Uint8Array, engine: CipherEngine): Binding {
  switch (versionId) {
    case 'A':
    case 'C':
    case '0':
      return withKeys(variantKeys(key), ({ kbek, kbak }) =>
        macOverCiphertext(tdes(kbek, engine), cbcMacOf(tdes(kbak, engine)), 4),
      );
    case 'B':
      return withKeys(derivedKeys(tdes(key, engine), key.length, 'CBC'), ({ kbek, kbak }) =>
        macOverPlaintext(tdes(kbek, engine), cmacOf(tdes(kbak, engine)), cbcEncrypt, cbcDecrypt),
      );
    case 'D':
      return withKeys(derivedKeys(aes(key, engine), key.length, 'CBC'), ({ kbek, kbak }) =>
        macOverPlaintext(aes(kbek, engine), cmacOf(aes(kbak, engine)), cbcEncrypt, cbcDecrypt),
      );
    case 'E':
      return withKeys(derivedKeys(aes(key, engine), key.length, 'CTR'), ({ kbek, kbak }) =>
        macOverPlaintext(aes(kbek, engine), cmacOf(aes(kbak, engine)), ctr, ctr),
      );
    case '1':
      return withKeys(derivedKeys(aes(key, engine), key.length, 'CBC'), ({ kbek, kbak }) =>
        macOverCiphertext(aes(kbek, engine), cmacOf(aes(kbak, engine)), 8),
      );
  }
}

interface Mac {
  mac(header: Uint8Array, data: Uint8Array): Uint8Array;
  wipe(): void;
}

/** A, C and Thales: CBC with the first header characters as IV; the MAC, cut to `macBytes`, is over the ciphertext. */
function macOverCiphertext(cipher: BlockCipher, authentication: Mac, macBytes: number): Binding {
  const macOf = (header: Uint8Array, ciphertext: Uint8Array) =>
    authentication.mac(header, ciphertext).subarray(0, macBytes);
  return {
    protect(header, plaintext) {
      const ciphertext = cbcEncrypt(cipher, header.subarray(0, cipher.blockBytes), plaintext);
      return { ciphertext, mac: macOf(header, ciphertext) };
    },
    open(header, ciphertext, mac) {
      if (!equalConstantTime(mac, macOf(header, ciphertext))) return undefined;
      return cbcDecrypt(cipher, header.subarray(0, cipher.blockBytes), ciphertext);
    },
    wipe() {
      cipher.wipe();
      authentication.wipe();
    },
  };
}

/** B, D and E: the MAC is over the plaintext, and is also the IV, or the first counter block. */
function macOverPlaintext(
  cipher: BlockCipher,
  authentication: Mac,
  encrypt: typeof cbcEncrypt,
  decrypt: typeof cbcDecrypt,
): Binding {
  return {
    protect(header, plaintext) {
      const mac = authentication.mac(header, plaintext);
      return { ciphertext: encrypt(cipher, mac, plaintext), mac };
    },
    open(header, ciphertext, mac) {
      const plaintext = decrypt(cipher, mac, ciphertext);
      if (equalConstantTime(mac, authentication.mac(header, plaintext))) return plaintext;
      plaintext.fill(0);
      return undefined;
    },
    wipe() {
      cipher.wipe();
      authentication.wipe();
    },
  };
}

/** CBC-MAC over header and ciphertext, both whole blocks, so that no padding method comes in. */
function cbcMacOf(cipher: BlockCipher): Mac {
  return {
    mac(header, ciphertext) {
      const data = new Uint8Array(header.length + ciphertext.length);
      data.set(header);
      data.set(ciphertext, header.length);
      return cbcMac(cipher, data);
    },
    wipe: () => cipher.wipe(),
  };
}

function withKeys(keys: BlockKeys, bind: (keys: BlockKeys) => Binding): Binding {
  try {
    return bind(keys);
  } finally {
    wipe(keys.kbek, keys.kbak);
  }
}
