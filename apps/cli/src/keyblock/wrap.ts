import { wrap as wrapKey } from '@openkdh/tr31';
import { formatHeader, type KeyBlockHeader, type OptionalBlock, type VersionId } from '@openkdh/tr31/header';
import { defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { count, hex, optional, optionalBlocks as optionalBlocksMember, secretHex, text } from '../members.ts';
import { profileMember } from './profile.ts';

const longestMaskedKey = 8191; // bytes: the length field of the key data counts bits in two bytes

/** Wraps a key into a key block. */
export const wrap = defineCommand({
  name: 'keyblock wrap',
  summary: 'Wraps a key. The length and the number of optional blocks in the header are worked out.',
  members: {
    kbpk: secretHex('key block protection key'),
    key: secretHex('the key to wrap'),
    header: text('16 characters, for example D0000P0AE00E0000'),
    optionalBlocks: optional(optionalBlocksMember('optional block; PB is added where one is due')),
    padding: optional(hex('bytes after the key, in place of random ones')),
    maskedKeyLength: optional(
      count('bytes that the key is padded to (the longest key of its algorithm)', longestMaskedKey),
    ),
    profile: profileMember,
  },
  run: ({ kbpk, key, header, optionalBlocks, padding, maskedKeyLength, profile }) => {
    if (padding !== undefined && maskedKeyLength !== undefined) {
      throw new CliError('CLI_MEMBER_INVALID', 'padding, maskedKeyLength: expected one of the two, got both');
    }
    const options = { profile, padding, maskedKeyLength };
    return { keyBlock: wrapKey(kbpk, headerOf(header, optionalBlocks), key, options) };
  },
  underlined: ({ header, optionalBlocks }) => formatHeader(headerOf(header, optionalBlocks), 0),
  text: ({ keyBlock }) => `${keyBlock}\n`,
});

/** The fixed header taken apart. ANSI X9.143:2021, 6.2, table 1; `wrap` checks the values. */
function headerOf(text: string, optionalBlocks: OptionalBlock[] = []): KeyBlockHeader {
  if (text.length !== 16) {
    throw new CliError('CLI_MEMBER_INVALID', `header: expected 16 characters, got ${text.length}`);
  }
  if (text[15] !== '0') {
    throw new CliError('CLI_MEMBER_INVALID', 'header: expected 0 as the last character, which is reserved');
  }
  return {
    versionId: text[0] as VersionId,
    keyUsage: text.slice(5, 7),
    algorithm: text[7]!,
    modeOfUse: text[8]!,
    keyVersion: text.slice(9, 11),
    exportability: text[11]!,
    keyContext: text[14]!,
    optionalBlocks,
  };
}
