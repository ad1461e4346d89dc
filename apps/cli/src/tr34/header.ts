import { inspectKeyBlock } from '@openkdh/tr31/header';
import { columns } from '../text/rows.ts';

/** The fields of a key block header that say something in a token; its length and counts do not. */
const telling = ['Key usage', 'Algorithm', 'Mode of use', 'Key version', 'Exportability'];

/** The header in a key token in words. */
export function headerText(header: string): string {
  const fields = inspectKeyBlock(header).fields.filter(({ name }) => telling.includes(name));
  return `\n${columns(fields.map(({ name, value, words }) => [name, value, words]))}`;
}
