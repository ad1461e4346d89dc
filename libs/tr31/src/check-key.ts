/** What can be judged only with the key in hand: after authentication on unwrap, before encryption on wrap. */
import { aes, cmac, des, equalConstantTime, tdes } from '@openkdh/block-ciphers';
import { readAsymmetricKey } from './asymmetric-key.ts';
import { type Finding, finding } from './findings.ts';
import { fromHex } from './hex.ts';
import { strengthOfAsymmetric, strengthOfSymmetric } from './key-strength.ts';
import { optionalBlockKinds } from './optional-block-kinds.ts';
import type { PlacedOptionalBlock } from './optional-blocks.ts';
import type { ReadHeader } from './read.ts';
import { type AlgorithmRow, algorithms, rowOf } from './tables.ts';

/** The key, its strength against that of the KBPK, and what the blocks KC, KP and WP say about both. */
export function checkKey(read: ReadHeader, key: Uint8Array, kbpk: Uint8Array, findings: Finding[]): void {
  const { header, version } = read;
  const algorithm = rowOf<AlgorithmRow>(algorithms, header.algorithm);
  if (algorithm?.keyBytes && !algorithm.keyBytes.includes(key.length)) {
    const message = `${algorithm.meaning} has keys of ${algorithm.keyBytes.join(', ')} bytes, this one has ${key.length}`;
    findings.push(finding('TR31_KEY_LENGTH_FOR_ALGORITHM', 7, 8, message));
  }

  const kbpkAlgorithm = version.cipher === 'AES' ? 'A' : 'T';
  const kbpkStrength = strengthOfSymmetric(kbpkAlgorithm, kbpk.length)!;
  const strength = algorithm?.asymmetric
    ? strengthOfDer(header.algorithm, key, findings)
    : strengthOfSymmetric(header.algorithm, key.length);
  const weaker = strength !== undefined && strength > kbpkStrength;
  if (weaker) {
    const message = `a key of ${strength} bits of strength under a KBPK of ${kbpkStrength}`;
    findings.push(finding('TR31_KBPK_WEAKER', 7, 8, message));
  }

  for (const block of read.optionalBlocks) {
    if (block.id === 'KC' && contradicts(read, block, header.algorithm, key)) {
      const message = 'block KC is not the check value of the key';
      findings.push(finding('TR31_KC_MISMATCH', block.start, block.end, message));
    }
    if (block.id === 'KP' && contradicts(read, block, kbpkAlgorithm, kbpk)) {
      const message = 'block KP is not the check value of the KBPK';
      findings.push(finding('TR31_KP_MISMATCH', block.start, block.end, message));
    }
    if (block.id === 'WP' && weaker && (block.data === '000' || block.data === '002')) {
      const message = 'block WP says that nothing weaker wrapped the key, this KBPK is weaker';
      findings.push(finding('TR31_WP_MISMATCH', block.start, block.end, message));
    }
  }
}

/** Strength of a secret RSA or EC key; a public key needs no secrecy, and DSA is not judged. */
function strengthOfDer(algorithm: string, key: Uint8Array, findings: Finding[]): number | undefined {
  if (algorithm === 'S') return undefined;
  const form = readAsymmetricKey(key);
  if (form?.kind !== (algorithm === 'R' ? 'RSA' : 'EC')) {
    const message = `the key is not the DER of ${algorithm === 'R' ? 'an RSA' : 'an EC'} key`;
    findings.push(finding('TR31_KEY_FORM', 7, 8, message));
    return undefined;
  }
  return form.secret ? strengthOfAsymmetric(form.kind, form.bits) : undefined;
}

/** Whether a well-formed check value block says something else than the key; what cannot be recomputed does not. */
function contradicts(
  { header }: ReadHeader,
  block: PlacedOptionalBlock,
  algorithm: string,
  key: Uint8Array,
): boolean {
  const content = optionalBlockKinds.KC.read(block.data, header, () => undefined);
  if (!content) return false;
  const computed = checkValue(algorithm, key, content.method);
  if (!computed) return false;
  const stated = fromHex(content.checkValue, 0, content.checkValue.length);
  return !equalConstantTime(stated, computed.subarray(0, stated.length));
}

/** X9.24-1:2017, annex A: the encrypted zero block, or the CMAC over one. Undefined for HMAC and odd lengths. */
function checkValue(algorithm: string, key: Uint8Array, method: 'legacy' | 'CMAC'): Uint8Array | undefined {
  const lengths = rowOf<AlgorithmRow>(algorithms, algorithm)?.keyBytes;
  if (!lengths?.includes(key.length)) return undefined;
  const cipher = algorithm === 'A' ? aes(key) : algorithm === 'T' ? tdes(key) : des(key);
  try {
    const zeros = new Uint8Array(cipher.blockBytes);
    if (method === 'CMAC') return cmac(cipher, zeros);
    cipher.encryptBlock(zeros, 0, zeros, 0);
    return zeros;
  } finally {
    cipher.wipe();
  }
}
