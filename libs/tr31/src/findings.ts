/** What a key block header can do wrong, one code for each rule, with the clause that says so. */

/** Range of characters in the key block: `start` is the first, `end` the one after the last. */
export interface Span {
  start: number;
  end: number;
}

export interface Finding {
  code: FindingCode;
  clause: string;
  at: Span;
  message: string;
}

const headerTable = 'X9.143:2021, 6.2, table 1';
const optionalBlocks = 'X9.143:2021, 6.3.6';

/**
 * Without these a block cannot be taken apart or authenticated; no profile lets them pass.
 */
const structuralRules = {
  TR31_CHARACTERS: headerTable, // printable ASCII only
  TR31_TOO_SHORT: headerTable,
  TR31_VERSION: headerTable,
  TR31_LENGTH: headerTable, // decimal, of the whole block
  TR31_OPTIONAL_COUNT: headerTable, // decimal, 00 to 99
  TR31_OPTIONAL_FRAMING: optionalBlocks, // length field of a block, block beyond the end
  TR31_OPTIONAL_MULTIPLE: optionalBlocks, // together a multiple of the cipher block
  TR31_PAYLOAD: 'X9.143:2021, 6.1', // hex, whole cipher blocks
  TR31_KEY_LENGTH_FIELD: 'X9.143:2021, 6.1', // found after authentication
} as const;

/** After authentication: what the block says about itself and about the KBPK is untrue, or the KBPK is too weak. */
const trustRules = {
  TR31_KC_MISMATCH: 'X9.143:2021, 6.3.6.7',
  TR31_KP_MISMATCH: 'X9.143:2021, 6.3.6.7',
  TR31_WP_MISMATCH: 'X9.143:2021, 6.3.6.15',
  TR31_KBPK_WEAKER: 'PCI PIN Security, requirement 10 and annex C',
} as const;

const headerRules = {
  TR31_HEX_LOWER_CASE: 'X9.143:2021, 6.1',
  TR31_KEY_USAGE: 'X9.143:2021, 6.3.1, table 2',
  TR31_KEY_USAGE_PROPRIETARY: 'X9.143:2021, 6.3.1, table 2', // two digits
  TR31_ALGORITHM: 'X9.143:2021, 6.3.2, table 3',
  TR31_ALGORITHM_HMAC_HASH: 'ISO 20038:2017', // I and J; X9.143 has H and the block HM
  TR31_MODE: 'X9.143:2021, 6.3.3, table 4',
  TR31_MODE_PROPRIETARY: 'X9.143:2021, 6.3.3, table 4', // a digit
  TR31_KEY_VERSION: 'X9.143:2021, 6.3.4, table 5',
  TR31_EXPORTABILITY: 'X9.143:2021, 6.3.5, table 6',
  TR31_KEY_CONTEXT: headerTable,
  TR31_RESERVED: headerTable,
  TR31_MODE_FOR_USAGE: 'X9.143:2021, 6.3.3, table 4',
  TR31_MODE_UNRESTRICTED: 'X9.143:2021, 6.3.3, table 4', // N where the usage has modes of its own
  TR31_ALGORITHM_FOR_USAGE: 'X9.143:2021, 6.3.2, table 3',
  TR31_NOT_OBFUSCATED: 'X9.143:2021, 5 and 6.1',
  TR31_KEY_LENGTH_FOR_ALGORITHM: 'X9.143:2021, 6.3.2, table 3', // found after authentication
  TR31_KEY_FORM: 'X9.143:2021, 8.5 and 8.6', // found after authentication: RSA and EC keys are DER
  TR31_OPTIONAL_ID: optionalBlocks, // two characters, upper case or digits
  TR31_OPTIONAL_DUPLICATE: optionalBlocks,
  TR31_OPTIONAL_EXTENDED_NEEDLESS: 'X9.143:2021, 6.2, table 1', // extended form where the short one was due
  TR31_OPTIONAL_LENGTH_OF_LENGTH: 'X9.143:2021, 6.2, table 1', // other than 04
  TR31_OPTIONAL_LENGTH_IN_BYTES: 'X9.143:2021, 6.2, table 1', // 02 and four digits, as psec and paysec write
  TR31_PADDING_BLOCK_PLACE: optionalBlocks, // elsewhere than last
  TR31_PADDING_BLOCK_LENGTH: optionalBlocks, // longer than needed, or not needed
  TR31_KS_PRINTABLE: 'X9.143:2021, 6.3.6.8', // German banking (DK, GBIC) writes text
  TR31_KS_AES: 'X9.143:2021, 6.3.6.8', // KS where AES DUKPT has IK
} as const;

const contentIds = [
  'AL',
  'BI',
  'CT',
  'DA',
  'FL',
  'HM',
  'IK',
  'KC',
  'KP',
  'KS',
  'KV',
  'LB',
  'PK',
  'TC',
  'TS',
  'WP',
  '10',
] as const;
const fitIds = ['AL', 'BI', 'CT', 'DA', 'HM', 'IK', 'KC', 'KP', 'KS'] as const;

/** `_CONTENT`: the data of the block are wrong in themselves. `_FIT`: the block does not belong in this header. */
export type OptionalBlockCode =
  | `TR31_${(typeof contentIds)[number]}_CONTENT`
  | `TR31_${(typeof fitIds)[number]}_FIT`;

export type StructuralCode = keyof typeof structuralRules;
export type TrustCode = keyof typeof trustRules;
export type HeaderCode = keyof typeof headerRules;
export type FindingCode = StructuralCode | TrustCode | HeaderCode | OptionalBlockCode;

const clauses = { ...structuralRules, ...trustRules, ...headerRules };

/** Makes a finding of a rule that is not about one kind of optional block. */
export function finding(
  code: StructuralCode | TrustCode | HeaderCode,
  start: number,
  end: number,
  message: string,
): Finding {
  return { code, clause: clauses[code], at: { start, end }, message };
}

export const structuralCodes = Object.keys(structuralRules) as StructuralCode[];
export const trustCodes = Object.keys(trustRules) as TrustCode[];
/** All that a lenient reader may let pass. */
export const passableCodes: readonly FindingCode[] = [
  ...(Object.keys(headerRules) as HeaderCode[]),
  ...contentIds.map((id) => `TR31_${id}_CONTENT` as const),
  ...fitIds.map((id) => `TR31_${id}_FIT` as const),
];

export function isStructural({ code }: Finding): boolean {
  return Object.hasOwn(structuralRules, code);
}
