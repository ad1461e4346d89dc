import type { OptionalBlock } from './optional-blocks.ts';
import type { KeyUsage, VersionId } from './tables.ts';

/**
 * The header of a key block: what the 16 characters and the optional blocks say, as written. ANSI X9.143:2021, 6.2.
 * The length and the number of optional blocks follow from the rest and the reserved character is 0.
 */
export interface KeyBlockHeader {
  versionId: VersionId;
  /** Two characters. A known usage, or a proprietary one in two digits. */
  keyUsage: KeyUsage | (string & {});
  /** One letter: A AES, D DES, E elliptic curve, H HMAC, R RSA, S DSA, T TDES. */
  algorithm: string;
  /** One letter, or a digit where proprietary. */
  modeOfUse: string;
  /** Two characters: `00` not used, `c` and a character for a component, else the version of the key. */
  keyVersion: string;
  /** One letter: E, N or S. */
  exportability: string;
  /** One character: 0, 1 or 2. */
  keyContext: string;
  optionalBlocks: OptionalBlock[];
}

/** Length of the fixed part in characters. */
export const fixedHeaderLength = 16;
