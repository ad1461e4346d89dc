import { equalConstantTime, wipe } from '@openkdh/block-ciphers';
import { Refusal } from '../answer-codes.ts';
import { checkValueHex } from '../keys/algorithms.ts';
import { hasOddParity, requireSoundKey, setOddParity } from '../keys/key-material.ts';
import { custodianBlock, isComponent } from '../keys/key-rules.ts';
import { requireKnownUsage } from '../keys/key-usages.ts';
import type { WorkingKey } from '../lmk/key-cache.ts';
import { readKeyVersion, readOptionalBlocks } from './attributes-field.ts';
import { answer, type Command } from './command.ts';
import { readKeyType, readSBlock } from './key-field.ts';
import { readLmkId } from './lmk-field.ts';

/**
 * A4: forms a key from 2 to 9 components, XORed; a TDES key gets odd parity. Usage, mode and exportability are those
 * of the components, which must agree. Answer: key under the LMK, KCV.
 *
 * `A4` number[1N] FFF S components [%LMK id] # key version[2N] optional blocks
 *
 * 03 number of components; 10 a component without odd parity; A9 a key block that is no component; B5 components that
 * do not belong together or are not distinct.
 */
export const a4: Command = {
  name: 'form a key from components',
  kind: 'key',
  prepare(fields) {
    const count = fields.number(1, 'number of components');
    if (count < 2) throw new Refusal('03', `number of components: 2 to 9 expected, got ${count}`);
    readKeyType(fields);
    fields.literal('S', 'key scheme under the LMK', '26');
    const blocks = Array.from({ length: count }, (_, n) => readSBlock(fields, `component ${n + 1}`));
    const lmkId = readLmkId(fields);
    fields.literal('#', 'attributes of the key');
    const keyVersion = readKeyVersion(fields);
    const optionalBlocks = readOptionalBlocks(fields, 8);

    return (scope) => {
      const lmk = scope.lmk(lmkId);
      const components = blocks.map((block) => scope.open(lmk, block));
      const [first] = components;
      const { header, algorithm } = first!;
      for (const component of components) requireMatch(first!, component);
      requireDistinct(components);
      requireKnownUsage(header.keyUsage, header.algorithm, header.modeOfUse);
      const key = Buffer.alloc(algorithm.keyBytes);
      try {
        for (const component of components)
          component.key.forEach((byte, n) => {
            key[n]! ^= byte;
          });
        if (algorithm.letter !== 'A') setOddParity(key);
        requireSoundKey(algorithm, key);
        if (scope.hsm.dualControl) requireDifferentCustodians(components);
        scope.requireGrant('component', header.keyUsage, lmk);
        const underLmk = scope.wrapUnderLmk(lmk, { ...header, keyVersion, optionalBlocks }, algorithm, key);
        return answer(underLmk, checkValueHex(algorithm, key));
      } finally {
        wipe(key);
      }
    };
  },
};

function requireMatch(first: WorkingKey, { header, algorithm, key }: WorkingKey): void {
  if (!isComponent(header.keyVersion)) throw new Refusal('A9', 'a key block that is no component');
  const same =
    header.keyUsage === first.header.keyUsage &&
    header.modeOfUse === first.header.modeOfUse &&
    header.exportability === first.header.exportability &&
    algorithm === first.algorithm;
  if (!same) throw new Refusal('B5', 'usage, algorithm, mode or exportability of the components differ');
  if (algorithm.letter !== 'A' && !hasOddParity(key)) throw new Refusal('10', 'a component has wrong parity');
}

/** The same component twice cancels out, and one custodian would know more than one part of the key. */
function requireDistinct(components: readonly WorkingKey[]): void {
  components.forEach((component, n) => {
    for (const other of components.slice(n + 1)) {
      if (
        component.header.keyVersion === other.header.keyVersion ||
        equalConstantTime(component.key, other.key)
      ) {
        throw new Refusal('B5', 'the same component comes twice');
      }
    }
  });
}

/** Under dual control a component says who entered it: optional block 05. B5 for one person twice, or for nobody. */
function requireDifferentCustodians(components: readonly WorkingKey[]): void {
  const custodians = components.map(
    ({ header }) => header.optionalBlocks.find(({ id }) => id === custodianBlock)?.data,
  );
  if (custodians.includes(undefined) || new Set(custodians).size < custodians.length) {
    throw new Refusal('B5', 'the components must come from different custodians');
  }
}
