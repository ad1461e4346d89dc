/** The keys that a KBPK protects a block with. ANSI X9.143:2021, 7. */
import { type BlockCipher, cmacOf } from '@openkdh/block-ciphers';

/** Encryption and authentication key of a block, each as long as the KBPK. The caller wipes both. */
export interface BlockKeys {
  kbek: Uint8Array;
  kbak: Uint8Array;
}

/** Key variant binding, versions A and C: KBPK ⊕ 45…45 encrypts, KBPK ⊕ 4D…4D authenticates. */
export function variantKeys(kbpk: Uint8Array): BlockKeys {
  return { kbek: kbpk.map((byte) => byte ^ 0x45), kbak: kbpk.map((byte) => byte ^ 0x4d) };
}

/**
 * Key derivation binding, versions B, D and E: NIST SP 800-108 in counter mode, the PRF is CMAC under the KBPK, which
 * is `kbpkBytes` long. Also the derivation of Thales key blocks, version 1.
 */
export function derivedKeys(kbpk: BlockCipher, kbpkBytes: number, encryption: 'CBC' | 'CTR'): BlockKeys {
  // counter[1] usage[2] separator[1] algorithm[2] length in bits[2]
  const input = new Uint8Array(8);
  input[5] = derivationAlgorithm(kbpk.blockBytes, kbpkBytes);
  input[6] = (kbpkBytes * 8) >>> 8;
  input[7] = kbpkBytes * 8;
  const prf = cmacOf(kbpk);
  const derive = (usage: number): Uint8Array => {
    const key = new Uint8Array(kbpkBytes);
    input[2] = usage;
    for (let at = 0, counter = 1; at < kbpkBytes; at += kbpk.blockBytes, counter++) {
      input[0] = counter;
      const block = prf.mac(input);
      key.set(block.subarray(0, kbpkBytes - at), at);
      block.fill(0);
    }
    return key;
  };
  try {
    return {
      kbek: derive(encryption === 'CBC' ? 0x0000 : 0x0002),
      kbak: derive(0x0001 /* authentication */),
    };
  } finally {
    prf.wipe();
  }
}

function derivationAlgorithm(blockBytes: 8 | 16, kbpkBytes: number): number {
  if (blockBytes === 8) return kbpkBytes === 16 ? 0x0000 /* 2TDEA */ : 0x0001 /* 3TDEA */;
  return 0x0002 /* AES-128 */ + (kbpkBytes - 16) / 8; // 0003 AES-192, 0004 AES-256
}
