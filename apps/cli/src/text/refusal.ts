import { Tr31Error } from '@openkdh/tr31';
import type { Refusal } from '../errors.ts';
import { findingText } from './underline.ts';

/** A refusal in one line. */
export function refusalLine({ code, message }: Refusal): string {
  // The codes of the command line are for programs; its messages say all.
  return code.startsWith('CLI_') ? `openkdh: ${message}\n` : `openkdh: ${code}: ${message}\n`;
}

/** A refusal; where it has findings, each of them with the characters of `text` that it is about underlined. */
export function refusalText(error: unknown, refusal: Refusal, text: () => string): string {
  if (!(error instanceof Tr31Error) || error.findings.length === 0) return refusalLine(refusal);
  return error.findings.map((finding) => `openkdh: ${findingText(finding, text())}`).join('');
}
