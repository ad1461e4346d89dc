import { describeFixedHeader, describePlacedBlock, type Field } from './describe.ts';
import type { Finding } from './findings.ts';
import type { KeyBlockHeader } from './key-block-header.ts';
import { judge, type ProfileOptions } from './profiles.ts';
import { readHeader, readKeyBlock } from './read.ts';

export interface ParsedHeader {
  header: KeyBlockHeader;
  /** What the profile let pass. */
  deviations: Finding[];
  /** The header as it stands in the key block, optional blocks included. */
  text: string;
}

/**
 * Reads the header of a whole key block, without any key and so without authentication: for display and routing, never
 * for trust. Throws Tr31Error with every finding that the profile does not let pass, and TR31_ARGUMENT for what is not
 * a string.
 */
export function parseHeader(keyBlock: string, options?: ProfileOptions): ParsedHeader {
  const findings: Finding[] = [];
  const read = readKeyBlock(keyBlock, findings);
  const deviations = judge(findings, options);
  const { header, length } = read!.head; // a reading without header has a structural finding, which no profile lets pass
  return { header, deviations, text: keyBlock.slice(0, length) };
}

export interface Inspection {
  /** Missing where the text could not be followed to the end of the header. */
  header?: KeyBlockHeader;
  /** Every part that could be read, in the order of the text. */
  fields: Field[];
  /** Everything that is wrong, whatever the profile, in the order of the text. */
  findings: Finding[];
}

/** Explains a key block: every field in words, and every refusal. Throws TR31_ARGUMENT for what is not a string. */
export function inspectKeyBlock(keyBlock: string): Inspection {
  const findings: Finding[] = [];
  const read = readKeyBlock(keyBlock, findings);
  findings.sort((a, b) => a.at.start - b.at.start);
  // Where key data or MAC are broken the header may still be whole.
  const head = read?.head ?? readHeader(keyBlock, []);
  const fields = describeFixedHeader(keyBlock);
  if (!head) return { fields, findings };
  fields.push(...head.optionalBlocks.map((block) => describePlacedBlock(block, head.header)));
  if (read) {
    const { length, version } = read.head;
    const { macStart } = read;
    const keyData = keyBlock.slice(length, macStart);
    const mac = keyBlock.slice(macStart);
    fields.push(
      {
        name: 'Key data',
        at: { start: length, end: macStart },
        value: keyData,
        words: `${keyData.length / 2} bytes encrypted with ${version.cipher}`,
      },
      {
        name: 'MAC',
        at: { start: macStart, end: keyBlock.length },
        value: mac,
        words: `${mac.length / 2} bytes, not verified`,
      },
    );
  }
  return { header: head.header, fields, findings };
}
