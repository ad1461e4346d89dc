import { Tr31Error } from '@openkdh/tr31';
import { Refusal } from '../answer-codes.ts';
import type { KeyAlgorithm } from '../keys/algorithms.ts';
import { x9143Usage } from '../keys/key-usages.ts';
import { makeKeyBlock, type NewKeyBlock } from '../lmk/key-block.ts';
import type { WorkingKey } from '../lmk/key-cache.ts';
import type { FieldReader } from '../wire/fields.ts';
import type { CommandScope } from './scope.ts';

export type ExportScheme = 'R' | 'S';
export type Tr31Version = 'A' | 'B' | 'C' | 'D';

/** R, a TR-31 block, or S, a Thales block: keys leave in a trusted format only. */
export function readExportScheme(fields: FieldReader): ExportScheme {
  return fields.choice(['R', 'S'], 'export key scheme', '26');
}

/** `!` and the version of the TR-31 block; `undefined` for the one that fits the wrapping key, D or B. */
export function readTr31Version(fields: FieldReader): Tr31Version | undefined {
  return fields.takes('!') ? fields.choice<Tr31Version>(['A', 'B', 'C', 'D'], 'TR-31 version') : undefined;
}

/** A key that leaves, and what the block that carries it says. */
export interface LeavingKey {
  header: NewKeyBlock;
  key: Uint8Array;
}

/** The key under a ZMK, TMK or KBPK, with its scheme tag. */
export function exportUnder(
  scope: CommandScope,
  wrapping: WorkingKey,
  scheme: ExportScheme,
  versionId: Tr31Version | undefined,
  { header, key }: LeavingKey,
): string {
  const { random, settings } = scope.hsm;
  if (scheme === 'S') return scope.released('S', makeKeyBlock(wrapping.zmk, header, key, random));

  const version = versionId ?? (wrapping.algorithm.letter === 'A' ? 'D' : 'B');
  requireVersionOf(wrapping.algorithm, version);
  const { algorithm, modeOfUse, keyVersion, exportability, optionalBlocks } = header;
  const tr31Header = {
    versionId: version,
    keyUsage: x9143Usage(header.keyUsage),
    algorithm,
    modeOfUse,
    keyVersion,
    exportability,
    keyContext: '0',
    optionalBlocks,
  };
  const hiding = settings.keyLengthHiding ? {} : { maskedKeyLength: key.length };
  try {
    return scope.released(
      'R',
      wrapping.kbpk.wrap(tr31Header, key, { profile: 'payshield', random, ...hiding }),
    );
  } catch (error) {
    throw refusalOf(error);
  }
}

/** Refuses with A7 a TR-31 version of the other cipher. */
export function requireVersionOf({ letter }: KeyAlgorithm, version: Tr31Version): void {
  if ((version === 'D') !== (letter === 'A')) {
    throw new Refusal('A7', `TR-31 version ${version} with a wrapping key of algorithm ${letter}`);
  }
}

/** The answer code for a TR-31 header or key that breaks a rule of X9.143; other errors are returned as they are. */
export function refusalOf(error: unknown): unknown {
  if (!(error instanceof Tr31Error)) return error;
  const [, code] = codesByRule.find(([rule]) => rule.test(error.code)) ?? [undefined, 'B2' as const];
  return new Refusal(code, error.message);
}

const codesByRule = [
  [/^TR31_UNWRAP_FAILED$/, 'A4'],
  [/^TR31_KBPK_WEAKER$/, 'BB'],
  [/^TR31_KEY_USAGE/, 'A6'],
  [/^TR31_(ALGORITHM|KBPK_LENGTH)/, 'A7'],
  [/^TR31_MODE/, 'A8'],
  [/^TR31_KEY_VERSION/, 'A9'],
  [/^TR31_EXPORTABILITY/, 'AA'],
  [/^TR31_KEY_LENGTH/, 'A5'],
  [/^TR31_OPTIONAL_DUPLICATE/, 'BC'],
  [/^TR31_OPTIONAL_COUNT/, 'AB'],
  [/^TR31_OPTIONAL/, 'AC'],
  [/_(CONTENT|FIT|MISMATCH)$/, 'B4'],
] as const satisfies readonly (readonly [RegExp, Refusal['code']])[];
