import { aes, cmac } from '@openkdh/block-ciphers';

/**
 * A 32-byte key for one purpose of this HSM, derived from its seed: NIST SP 800-108, KDF in counter mode with AES-CMAC,
 * `counter[1] label 00 length in bits[2]`. `seed`: 24 or 32 bytes. The caller wipes the result.
 */
export function deriveKey(seed: Uint8Array, label: string): Buffer {
  const cipher = aes(seed);
  try {
    const blocks = [1, 2].map((counter) =>
      cmac(
        cipher,
        Uint8Array.of(counter),
        Buffer.from(label, 'latin1'),
        Uint8Array.of(0x00, 0x01, 0x00 /* 256 */),
      ),
    );
    const key = Buffer.concat(blocks);
    for (const block of blocks) block.fill(0);
    return key;
  } finally {
    cipher.wipe();
  }
}
