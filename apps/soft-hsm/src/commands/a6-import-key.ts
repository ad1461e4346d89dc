import { wipe } from '@openkdh/block-ciphers';
import type { OptionalBlock, Unwrapped } from '@openkdh/tr31';
import { Refusal } from '../answer-codes.ts';
import { checkValueHex, keyAlgorithmOf } from '../keys/algorithms.ts';
import { hasOddParity, requireSoundKey } from '../keys/key-material.ts';
import { exportKeyRule, importKeyRule, isBdk, isComponent, requireStrength } from '../keys/key-rules.ts';
import { requireKnownUsage, x9143Usage } from '../keys/key-usages.ts';
import { openKeyBlock } from '../lmk/key-block.ts';
import type { WorkingKey } from '../lmk/key-cache.ts';
import { readOptionalBlocks } from './attributes-field.ts';
import { answer, type Command } from './command.ts';
import { refusalOf } from './export.ts';
import { readKeyType, readSBlock, readTrustedBlock } from './key-field.ts';
import { readLmkId } from './lmk-field.ts';

/**
 * A6: imports a key under a ZMK, in a trusted format only. Attributes are those of the incoming block; a TR-31 usage
 * may be narrowed to one of the Thales usages that stand for it. Answer: key under the LMK, KCV; with 01 in place of
 * 00 if a TDES key has not odd parity.
 *
 * `A6` FFF ZMK key S [%LMK id] [# modified usage[2] optional blocks]
 */
export const a6: Command = {
  name: 'import a key',
  kind: 'key',
  prepare(fields) {
    readKeyType(fields);
    const zmkBlock = readSBlock(fields, 'ZMK');
    const incoming = readTrustedBlock(fields, 'key');
    fields.literal('S', 'key scheme under the LMK', '26');
    const lmkId = readLmkId(fields);
    const narrowing =
      incoming.scheme === 'R' && fields.takes('#')
        ? { keyUsage: fields.text(2, 'modified key usage'), optionalBlocks: readOptionalBlocks(fields, 6) }
        : undefined;

    return (scope) => {
      const lmk = scope.lmk(lmkId);
      const zmk = scope.openFor(importKeyRule, lmk, zmkBlock);
      const { header, key } =
        incoming.scheme === 'R' ? openTr31(zmk, incoming.block) : openKeyBlock(zmk.zmk, incoming.block);
      try {
        const algorithm = keyAlgorithmOf(header.algorithm, key.length);
        if (algorithm === undefined || algorithm.letter === 'D') {
          throw new Refusal('A7', `algorithm ${header.algorithm} with ${key.length} bytes is not imported`);
        }
        if (isComponent(header.keyVersion)) throw new Refusal('A9', 'a key component is not imported');
        const keyUsage = narrowing?.keyUsage ?? header.keyUsage;
        if (narrowing && x9143Usage(keyUsage) !== header.keyUsage) {
          throw new Refusal('A6', `usage ${header.keyUsage} cannot become ${keyUsage}`);
        }
        requireKnownUsage(keyUsage, header.algorithm, header.modeOfUse);
        requireStrength(zmk.algorithm, algorithm);
        requireSoundKey(algorithm, key);
        if (needsGrant(keyUsage)) scope.requireGrant('import', keyUsage, lmk);
        const optionalBlocks = [
          ...header.optionalBlocks.filter(isKept),
          ...(narrowing?.optionalBlocks ?? []),
        ];
        const underLmk = scope.wrapUnderLmk(lmk, { ...header, keyUsage, optionalBlocks }, algorithm, key);
        const imported = answer(underLmk, checkValueHex(algorithm, key));
        const parityAdvice = algorithm.letter === 'T' && !hasOddParity(key);
        return parityAdvice ? { ...imported, code: '01' } : imported;
      } finally {
        wipe(key);
      }
    };
  },
};

function openTr31(zmk: WorkingKey, block: string): Unwrapped {
  try {
    return zmk.kbpk.unwrap(block, { profile: 'payshield' });
  } catch (error) {
    throw refusalOf(error);
  }
}

/** Keys that other keys hang on: wrapping keys, and what terminals' keys are derived from. */
function needsGrant(keyUsage: string): boolean {
  return (
    importKeyRule.usages.includes(keyUsage) ||
    exportKeyRule.usages.includes(keyUsage) ||
    isBdk(keyUsage) ||
    keyUsage === 'B1'
  );
}

/** Key set id and key block version are the only optional blocks that both formats have. */
function isKept({ id }: OptionalBlock): boolean {
  return id === 'KS' || id === 'KV';
}
