/** Words for people: every field and every optional block of a key block. */
import type { Span } from './findings.ts';
import type { KeyBlockHeader } from './key-block-header.ts';
import {
  type OptionalBlockContent,
  type OptionalBlockKind,
  optionalBlockKinds,
} from './optional-block-kinds.ts';
import type { OptionalBlock, PlacedOptionalBlock } from './optional-blocks.ts';
import {
  algorithms,
  exportabilities,
  keyContexts,
  keyUsages,
  modesOfUse,
  rowOf,
  versions,
} from './tables.ts';

/** One part of a key block: where it stands, what is written there, and what that means. */
export interface Field {
  name: string;
  at: Span;
  value: string;
  words: string;
}

type Table = Readonly<Record<string, { meaning: string }>>;

const fixedFields: [name: string, start: number, end: number, words: (value: string) => string][] = [
  ['Version id', 0, 1, meaningIn(versions)],
  ['Length', 1, 5, decimalWords('characters')],
  ['Key usage', 5, 7, meaningIn(keyUsages)],
  ['Algorithm', 7, 8, meaningIn(algorithms)],
  ['Mode of use', 8, 9, meaningIn(modesOfUse)],
  ['Key version', 9, 11, keyVersionWords],
  ['Exportability', 11, 12, meaningIn(exportabilities)],
  ['Optional blocks', 12, 14, decimalWords('optional blocks')],
  ['Key context', 14, 15, meaningIn(keyContexts)],
  ['Reserved', 15, 16, () => 'Reserved'],
];

/** The fields of the fixed header, as many as the text holds. */
export function describeFixedHeader(text: string): Field[] {
  return fixedFields
    .filter(([, , end]) => end <= text.length)
    .map(([name, start, end, words]) => {
      const value = text.slice(start, end);
      return { name, at: { start, end }, value, words: words(value) };
    });
}

/** One optional block, framing included. */
export function describePlacedBlock(block: PlacedOptionalBlock, header: KeyBlockHeader): Field {
  return {
    name: `Optional block ${block.id}`,
    at: { start: block.start, end: block.end },
    value: block.data,
    words: describeOptionalBlock(block, header),
  };
}

/** What an optional block says, typed; undefined for unknown and proprietary IDs and for data that break its rules. */
export function optionalBlockContent(
  block: OptionalBlock,
  header: KeyBlockHeader,
): OptionalBlockContent | undefined {
  return rowOf<OptionalBlockKind>(optionalBlockKinds, block.id)?.read(block.data, header, () => undefined);
}

/** An optional block in words. `header`: the one that it stands in. */
export function describeOptionalBlock(block: OptionalBlock, header: KeyBlockHeader): string {
  const kind = rowOf<OptionalBlockKind>(optionalBlockKinds, block.id);
  if (!kind) return /^[0-9]/.test(block.id) ? 'Proprietary' : 'Not known';
  const content = optionalBlockContent(block, header);
  return `${kind.meaning}: ${content ? contentWords(content) : 'not in the form that its rules ask for'}`;
}

function contentWords(content: OptionalBlockContent): string {
  switch (content.id) {
    case 'AL':
      return content.life;
    case 'BI':
      return `${content.dukpt} DUKPT, ${content.identifier}`;
    case 'CT':
      return content.certificates
        .map(({ format, base64 }) => `${format}, ${base64.length} characters of base64`)
        .join('; ');
    case 'DA':
      return content.derivations
        .map((set) => `${set.keyUsage} ${set.algorithm} ${set.modeOfUse} ${set.exportability}`)
        .join('; ');
    case 'FL':
      return content.flags;
    case 'HM':
      return content.hash;
    case 'IK':
      return content.initialKeyId;
    case 'KC':
    case 'KP':
    case 'PK':
      return `${content.checkValue} (${content.method})`;
    case 'KS':
      return content.initialKsn;
    case 'KV':
      return content.values.join(', ');
    case 'LB':
      return content.label;
    case 'PB':
      return `${content.filler.length} characters of filler`;
    case 'TC':
    case 'TS':
      return content.time.toISOString();
    case 'WP':
      return pedigreeWords(content);
    case '10':
      return `tag ${content.tag}${ibmTags[content.tag] ?? ''}, ${content.value}`;
  }
}

const ibmTags: Readonly<Record<string, string>> = {
  '01': ' (CCA control vector)',
  '02': ' (internal X9-SWKB controls)',
};

/** X9.143:2021, 6.3.6.15, table 23. */
function pedigreeWords({ weaker, asymmetric }: { weaker: boolean; asymmetric: boolean }): string {
  if (asymmetric)
    return weaker ? 'wrapped by an asymmetric key, and by a weaker one' : 'wrapped by an asymmetric key';
  return weaker ? 'wrapped by a weaker key' : 'never wrapped by a weaker key';
}

function decimalWords(unit: string): (value: string) => string {
  return (value) => (/^[0-9]+$/.test(value) ? `${Number(value)} ${unit}` : 'Not a decimal number');
}

function keyVersionWords(value: string): string {
  if (value === '00') return 'Not used';
  return value.startsWith('c') ? `Component ${value[1]}` : `Version ${value} of the key`;
}

function meaningIn(table: Table): (value: string) => string {
  return (value) => rowOf(table, value)?.meaning ?? (/^[0-9]/.test(value) ? 'Proprietary' : 'Not known');
}
