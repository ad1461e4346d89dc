import type { Finding, Span } from '@openkdh/tr31/header';

const excerptWidth = 76;
const leadBeforeSpan = 24;

/**
 * Two lines: the text around a span, and carets under the span. A long text is cut with … on the side where it goes on;
 * what is not printable ASCII is shown as ? so that the carets stay in place.
 */
export function underline(text: string, { start, end }: Span): string {
  const from = end <= excerptWidth ? 0 : Math.max(0, start - leadBeforeSpan);
  const to = Math.min(text.length, from + excerptWidth);
  const before = from > 0 ? '…' : '';
  const after = to < text.length ? '…' : '';
  const excerpt = text.slice(from, to).replace(/[^\x20-\x7e]/g, '?');
  const carets = Math.max(1, Math.min(end, to) - start);
  return `${before}${excerpt}${after}\n${' '.repeat(before.length + start - from)}${'^'.repeat(carets)}\n`;
}

/** A finding with its clause, and the characters of `text` that it is about underlined. */
export function findingText(
  { code, clause, at, message }: Omit<Finding, 'code'> & { code: string },
  text: string,
): string {
  return `${code}: ${message}\n${clause}\n${underline(text, at)}`;
}
