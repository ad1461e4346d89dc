import { wipe } from '@openkdh/block-ciphers';
import { deriveAesInitialKey, deriveTdesInitialKey } from '@openkdh/dukpt';
import { Refusal } from '../answer-codes.ts';
import { checkValueHex, keyAlgorithms } from '../keys/algorithms.ts';
import { generateKey } from '../keys/key-material.ts';
import {
  bdkRule,
  exportKeyRule,
  requireExportable,
  requireNotWider,
  requireStrength,
} from '../keys/key-rules.ts';
import { requireKnownUsage } from '../keys/key-usages.ts';
import { algorithmAt } from '../lmk/key-block.ts';
import type { WorkingKey } from '../lmk/key-cache.ts';
import type { FieldReader } from '../wire/fields.ts';
import { type KeyAttributes, readKeyAttributes, readModifiedExportability } from './attributes-field.ts';
import { answer, answerReleasingKey, type Command } from './command.ts';
import { exportUnder, readExportScheme, readTr31Version } from './export.ts';
import { readKeyType, readSBlock } from './key-field.ts';
import { readLmkId } from './lmk-field.ts';

/**
 * A0: generates a key (mode 0), or derives a DUKPT initial key (A); 1 and B also export it under a ZMK, TMK or KBPK.
 * Answer: key under the LMK, [exported key], KCV. Mode B is what the KDH loads terminals with: the initial key is
 * never in clear outside.
 *
 * `A0` mode[1] FFF S [derive mode[1] master key type[1] BDK KSN] [ZMK export scheme[1]] [%LMK id] #attributes
 * [&exportability] [!TR-31 version]
 */
export const a0: Command = {
  name: 'generate or derive a key',
  kind: 'key',
  prepare(fields) {
    const mode = fields.choice(['0', '1', 'A', 'B'], 'mode');
    readKeyType(fields);
    fields.literal('S', 'key scheme under the LMK', '26');
    const derivation = mode === 'A' || mode === 'B' ? readDerivation(fields) : undefined;
    const exporting =
      mode === '1' || mode === 'B'
        ? { keyBlock: readSBlock(fields, 'ZMK or TMK'), scheme: readExportScheme(fields) }
        : undefined;
    const lmkId = readLmkId(fields);
    fields.literal('#', 'attributes of the key');
    const { algorithm, header } = readKeyAttributes(fields);
    const modifiedExportability = exporting && readModifiedExportability(fields);
    const versionId = exporting && readTr31Version(fields);

    return (scope) => {
      const lmk = scope.lmk(lmkId);
      const bdk = derivation && scope.openFor(bdkRule, lmk, derivation.bdkBlock);
      const exportKey = exporting && scope.openFor(exportKeyRule, lmk, exporting.keyBlock);
      requireKnownUsage(header.keyUsage, header.algorithm, header.modeOfUse);
      if (bdk) requireInitialKey(bdk, derivation, { algorithm, header });
      if (exportKey) {
        requireExportable(header);
        requireStrength(exportKey.algorithm, algorithm);
      }
      const key = bdk ? deriveInitialKey(bdk, derivation) : generateKey(algorithm, scope.hsm.random);
      try {
        const underLmk = scope.wrapUnderLmk(lmk, header, algorithm, key);
        const kcv = checkValueHex(algorithm, key);
        if (!exportKey) return answer(underLmk, kcv);
        const exportability = modifiedExportability ?? header.exportability;
        const leaving = { header: { ...header, exportability }, key };
        return answerReleasingKey(
          underLmk,
          exportUnder(scope, exportKey, exporting.scheme, versionId, leaving),
          kcv,
        );
      } finally {
        wipe(key);
      }
    };
  },
};

interface Derivation {
  bdkBlock: string;
  /** AES: the 8-byte initial key id; TDES: the 10-byte KSN with a counter of zero. */
  ksn: Buffer;
}

/**
 * The master key type digit says BDK-1 to BDK-4 and should fit the usage in the BDK's block; in the recorded exchanges
 * digit 2 went with usage B0, so the rule is not known and every digit is taken with every BDK.
 */
function readDerivation(fields: FieldReader): Derivation {
  if (fields.choice(['0', '1'], 'derive mode') === '1')
    throw new Refusal('68', 'derive mode: ZKA is not supported');
  fields.choice(['1', '2', '3', '4'], 'DUKPT master key type');
  const bdkBlock = readSBlock(fields, 'BDK');
  if (bdkBlock.charAt(algorithmAt) === 'A') {
    return { bdkBlock, ksn: Buffer.from(fields.hex(16, 'initial key id'), 'hex') };
  }
  // Key set id and device id; the last of the 60 bits belongs to the counter, so the last digit is even.
  const ksn = fields.hex(15, 'KSN without its counter');
  if (Number.parseInt(ksn.slice(-1), 16) % 2 !== 0)
    throw new Refusal('15', 'KSN: an even last digit expected');
  return { bdkBlock, ksn: Buffer.from(`${ksn}00000`, 'hex') };
}

/** An initial key has the usage, the length and at most the exportability that its BDK gives, and names its own KSN. */
function requireInitialKey(bdk: WorkingKey, { ksn }: Derivation, { algorithm, header }: KeyAttributes): void {
  if (header.keyUsage !== 'B1')
    throw new Refusal('A6', `usage B1 expected of an initial key, got ${header.keyUsage}`);
  const expected = bdk.algorithm.letter === 'A' ? bdk.algorithm : keyAlgorithms.T2;
  if (algorithm !== expected)
    throw new Refusal('A7', 'algorithm or length is not that of an initial key of this BDK');
  requireNotWider(header.exportability, bdk.header);
  const ksnHex = ksn.toString('hex').toUpperCase();
  for (const { id, data } of header.optionalBlocks) {
    if ((id === 'IK' || id === 'KS') && data !== ksnHex) {
      throw new Refusal('B4', `optional block ${id} is not the KSN that the key is derived for`);
    }
  }
}

function deriveInitialKey(bdk: WorkingKey, { ksn }: Derivation): Uint8Array {
  return bdk.algorithm.letter === 'A'
    ? deriveAesInitialKey(bdk.key, ksn)
    : deriveTdesInitialKey(bdk.key, ksn);
}
