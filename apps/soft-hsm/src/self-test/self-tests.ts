import { createHash, createHmac, createPublicKey, sign, verify } from 'node:crypto';
import { aes, cmac, ecbDecrypt, ecbEncrypt, kcvTdes } from '@openkdh/block-ciphers';
import { deriveAesInitialKey, deriveTdesInitialKey } from '@openkdh/dukpt';
import { unwrap } from '@openkdh/tr31';
import { lmkHandle } from '@openkdh/tr31/thales';
import { importRsaPrivateKey } from '../asymmetric/rsa-private-key.ts';
import { aesLmkCheckValue } from '../lmk/lmk.ts';
import { testLmkKeys } from '../lmk/test-lmks.ts';
import { CtrDrbg } from '../random/ctr-drbg.ts';
import * as known from './known-answers.ts';

/** A known-answer test: whether this program still computes what was published. */
export interface SelfTest {
  name: string;
  passes(): boolean;
}

export const selfTests: readonly SelfTest[] = [
  {
    name: 'AES',
    passes() {
      const cipher = aes(hex(known.aes256.key));
      const ciphertext = ecbEncrypt(cipher, hex(known.aes256.plaintext));
      return (
        equals(ciphertext, known.aes256.ciphertext) &&
        equals(ecbDecrypt(cipher, ciphertext), known.aes256.plaintext)
      );
    },
  },
  { name: 'TDES', passes: () => equals(kcvTdes(hex(known.tdes.key)), known.tdes.zeroBlock) },
  { name: 'CMAC', passes: () => equals(cmac(aes(hex(known.cmac.key))), known.cmac.emptyMessage) },
  {
    name: 'SHA-256',
    passes: () => equals(createHash('sha256').update(known.sha256.message).digest(), known.sha256.digest),
  },
  {
    name: 'HMAC',
    passes() {
      const { key, message, mac } = known.hmacSha256;
      return equals(createHmac('sha256', key).update(message).digest(), mac);
    },
  },
  {
    name: 'CTR_DRBG',
    passes() {
      const drbg = new CtrDrbg(hex(known.ctrDrbg.entropy));
      const output = Buffer.alloc(64);
      drbg.fill(output);
      drbg.fill(output);
      return equals(output, known.ctrDrbg.secondOutput);
    },
  },
  {
    name: 'TDES DUKPT',
    passes() {
      const { bdk, initialKsn, initialKey } = known.tdesDukpt;
      return equals(deriveTdesInitialKey(hex(bdk), hex(initialKsn)), initialKey);
    },
  },
  {
    name: 'AES DUKPT',
    passes() {
      const { bdk, initialKeyId, initialKey } = known.aesDukpt;
      return equals(deriveAesInitialKey(hex(bdk), hex(initialKeyId)), initialKey);
    },
  },
  { name: 'TR-31 version B', passes: () => opensTr31(known.tr31VersionB) },
  { name: 'TR-31 version D', passes: () => opensTr31(known.tr31VersionD) },
  { name: 'Thales key block version 0', passes: () => opensThales(testLmkKeys.TDES, known.thalesVersion0) },
  { name: 'Thales key block version 1', passes: () => opensThales(testLmkKeys.AES, known.thalesVersion1) },
  {
    name: 'RSA private key block and signature',
    passes() {
      const { key } = lmkHandle(testLmkKeys.TDES).unwrapPrivateKey(hex(known.rsaPrivateKey.block));
      const privateKey = importRsaPrivateKey(key);
      const message = Buffer.from(known.rsaPrivateKey.message);
      const signature = sign('sha256', message, privateKey);
      const verifies = verify('sha256', message, createPublicKey(privateKey), signature);
      return verifies && equals(signature, known.rsaPrivateKey.signature);
    },
  },
  { name: 'LMK check value', passes: () => aesLmkCheckValue(testLmkKeys.AES) === '9D04A0' },
];

/** The names of the tests that do not pass; a test that throws does not pass. */
export function failedSelfTests(tests: readonly SelfTest[] = selfTests): string[] {
  return tests.filter((test) => !passes(test)).map(({ name }) => name);
}

function passes(test: SelfTest): boolean {
  try {
    return test.passes();
  } catch {
    return false;
  }
}

function opensTr31({ kbpk, block, key }: { kbpk: string; block: string; key: string }): boolean {
  return equals(unwrap(hex(kbpk), block, { profile: 'payshield' }).key, key);
}

function opensThales(lmk: Uint8Array, { block, key }: { block: string; key: string }): boolean {
  return equals(lmkHandle(lmk).unwrap(block).key, key);
}

function hex(text: string): Buffer {
  return Buffer.from(text, 'hex');
}

function equals(bytes: Uint8Array, expected: string): boolean {
  return Buffer.from(bytes).equals(hex(expected));
}
