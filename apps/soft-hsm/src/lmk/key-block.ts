import { Tr31Error } from '@openkdh/tr31';
import {
  type LmkHandle,
  parseThalesHeader,
  type ThalesHeader,
  type ThalesUnwrapped,
} from '@openkdh/tr31/thales';
import { Refusal } from '../answer-codes.ts';
import type { Random } from '../random/random-source.ts';

/** LMK id in the header of a block that is under a ZMK instead of an LMK. */
export const noLmkId = 'FF';

/** Where a key block header says its algorithm, one letter. */
export const algorithmAt = 7;

/** The key usage that a key block says, two characters; not authenticated. */
export function usageOf(block: string): string {
  return block.slice(5, 7);
}

/** What a command says of a new key block; version and LMK id follow from the key that it is put under. */
export type NewKeyBlock = Omit<ThalesHeader, 'versionId' | 'lmkId'>;

/** A key that Thales key blocks are under: an LMK, or a ZMK with LMK id `FF`. */
export interface KeyBlockProtection {
  readonly id: string;
  readonly thalesVersion: '0' | '1';
  readonly handle: LmkHandle;
}

/**
 * The key in `block`, an S block without its tag. Refuses, in this order and before anything is decrypted: B2, AC or BC
 * for what is no key block, A1 for one of another LMK scheme, A3 for one of another LMK id, A4 for a wrong MAC.
 */
export function openKeyBlock(protection: KeyBlockProtection, block: string): ThalesUnwrapped {
  requireOwn(protection, block);
  return refusing(() => protection.handle.unwrap(block));
}

/** As `openKeyBlock`, for a block with a binary body; `key` is the DER inside. */
export function openBinaryKeyBlock(protection: KeyBlockProtection, block: Uint8Array): ThalesUnwrapped {
  requireOwn(protection, block);
  return refusing(() => protection.handle.unwrapPrivateKey(block));
}

/** A new key block, without its tag. The pad comes from `random`. */
export function makeKeyBlock(
  { id, thalesVersion, handle }: KeyBlockProtection,
  header: NewKeyBlock,
  key: Uint8Array,
  random: Random,
): string {
  const padding = random(padBytes(thalesVersion, 2 + key.length)); // the length of the key stands before it
  return refusing(() => handle.wrap({ ...header, versionId: thalesVersion, lmkId: id }, key, { padding }));
}

/** As `makeKeyBlock`, with a binary body around `der`. */
export function makeBinaryKeyBlock(
  { id, thalesVersion, handle }: KeyBlockProtection,
  header: NewKeyBlock,
  der: Uint8Array,
  random: Random,
): Uint8Array {
  const padding = random(padBytes(thalesVersion, der.length));
  return refusing(() =>
    handle.wrapPrivateKey({ ...header, versionId: thalesVersion, lmkId: id }, der, { padding }),
  );
}

function requireOwn({ id, thalesVersion }: KeyBlockProtection, block: string | Uint8Array): void {
  const { header } = refusing(() => parseThalesHeader(block));
  if (header.versionId !== thalesVersion) {
    throw new Refusal('A1', `key block version ${header.versionId} where version ${thalesVersion} is due`);
  }
  if (header.lmkId !== id) throw new Refusal('A3', `key block of LMK ${header.lmkId} where LMK ${id} is due`);
}

/** Fills the last cipher block. */
function padBytes(thalesVersion: '0' | '1', dataBytes: number): number {
  const blockBytes = thalesVersion === '1' ? 16 : 8;
  return (blockBytes - (dataBytes % blockBytes)) % blockBytes;
}

function refusing<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof Tr31Error)) throw error;
    switch (error.code) {
      case 'TR31_UNWRAP_FAILED':
        throw new Refusal('A4', 'the key block does not authenticate');
      case 'TR31_KEY_LENGTH_FIELD':
        throw new Refusal('A5', error.message);
      case 'THALES_OPTIONAL_BLOCK':
        throw new Refusal('AC', error.message);
      case 'THALES_OPTIONAL_BLOCK_REPEATED':
        throw new Refusal('BC', error.message);
      default:
        throw new Refusal('B2', error.message);
    }
  }
}
