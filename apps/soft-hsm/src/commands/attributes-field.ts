import type { OptionalBlock } from '@openkdh/tr31/header';
import { Refusal } from '../answer-codes.ts';
import { type KeyAlgorithm, keyAlgorithms } from '../keys/algorithms.ts';
import type { NewKeyBlock } from '../lmk/key-block.ts';
import type { FieldReader } from '../wire/fields.ts';

/** What the `#` group of a command says about the key to be made. */
export interface KeyAttributes {
  algorithm: KeyAlgorithm;
  header: NewKeyBlock;
}

/** usage[2] algorithm[2] mode[1] key version[2N] exportability[1] number of optional blocks[2N] blocks */
export function readKeyAttributes(fields: FieldReader): KeyAttributes {
  const keyUsage = fields.text(2, 'key usage');
  const algorithm = readAlgorithm(fields);
  return {
    algorithm,
    header: {
      keyUsage,
      algorithm: algorithm.letter,
      modeOfUse: fields.text(1, 'mode of use'),
      keyVersion: readKeyVersion(fields),
      exportability: readExportability(fields),
      optionalBlocks: readOptionalBlocks(fields, 8),
    },
  };
}

function readAlgorithm(fields: FieldReader): KeyAlgorithm {
  const name = fields.text(2, 'algorithm');
  if (!Object.hasOwn(keyAlgorithms, name))
    throw new Refusal('A7', 'algorithm: D1, T2, T3, A1, A2 or A3 expected');
  if (name === 'D1') throw new Refusal('17', 'algorithm: single DES is off');
  return keyAlgorithms[name as keyof typeof keyAlgorithms];
}

export function readKeyVersion(fields: FieldReader): string {
  const version = fields.text(2, 'key version');
  if (!/^\d\d$/.test(version)) throw new Refusal('A9', 'key version: two digits expected');
  return version;
}

export function readExportability(fields: FieldReader): string {
  return fields.choice(['E', 'N', 'S'], 'exportability', 'AA');
}

/** number[2N], then for each: id[2] length[2H, of all four fields' characters] data. PB is the HSM's own. */
export function readOptionalBlocks(fields: FieldReader, max: number): OptionalBlock[] {
  const count = fields.number(2, 'number of optional blocks');
  if (count > max)
    throw new Refusal('AB', `number of optional blocks: at most ${max} expected, got ${count}`);
  const blocks: OptionalBlock[] = [];
  for (let n = 0; n < count; n += 1) {
    const id = fields.text(2, 'optional block id');
    const length = fields.hexNumber(2, 'optional block length');
    if (id === 'PB' || length < 4)
      throw new Refusal('AC', `optional block ${id}: not one that a host may give`);
    if (blocks.some((block) => block.id === id)) throw new Refusal('BC', `optional block ${id} comes twice`);
    blocks.push({ id, data: fields.text(length - 4, 'optional block data') });
  }
  return blocks;
}

/** `&N`: the exported copy of a key is not exportable any more. `undefined` if the command leaves it as it is. */
export function readModifiedExportability(fields: FieldReader): 'N' | undefined {
  if (!fields.takes('&')) return undefined;
  fields.literal('N', 'modified exportability', 'AA');
  return 'N';
}
