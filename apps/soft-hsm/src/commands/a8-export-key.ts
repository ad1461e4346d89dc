import { Refusal } from '../answer-codes.ts';
import { checkValueHex } from '../keys/algorithms.ts';
import { exportKeyRule, isComponent, requireExportable, requireStrength } from '../keys/key-rules.ts';
import { readModifiedExportability } from './attributes-field.ts';
import { answerReleasingKey, type Command } from './command.ts';
import { exportUnder, readExportScheme, readTr31Version } from './export.ts';
import { readKeyType, readSBlock } from './key-field.ts';
import { readLmkId } from './lmk-field.ts';

/**
 * A8: exports a key under a ZMK, TMK or KBPK, in a trusted format only. Answer: exported key, KCV.
 *
 * `A8` FFF ZMK key export scheme[1] [%LMK id] [&N] [!TR-31 version]
 */
export const a8: Command = {
  name: 'export a key',
  kind: 'key',
  prepare(fields) {
    readKeyType(fields);
    const zmkBlock = readSBlock(fields, 'ZMK or TMK');
    const keyBlock = readSBlock(fields, 'key');
    const scheme = readExportScheme(fields);
    const lmkId = readLmkId(fields);
    const modifiedExportability = readModifiedExportability(fields);
    const versionId = readTr31Version(fields);

    return (scope) => {
      const lmk = scope.lmk(lmkId);
      const zmk = scope.openFor(exportKeyRule, lmk, zmkBlock);
      const { header, algorithm, key } = scope.open(lmk, keyBlock);
      if (isComponent(header.keyVersion)) throw new Refusal('A9', 'a key component is not exported');
      requireExportable(header);
      requireStrength(zmk.algorithm, algorithm);
      scope.requireGrant('export', header.keyUsage, lmk);
      const exportability = modifiedExportability ?? header.exportability;
      const leaving = { header: { ...header, exportability }, key };
      const exported = exportUnder(scope, zmk, scheme, versionId, leaving);
      return answerReleasingKey(exported, checkValueHex(algorithm, key));
    };
  },
};
