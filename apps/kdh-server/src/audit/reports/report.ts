import { csvOf } from '../../http/csv.ts';
import { Problem } from '../../http/problem.ts';
import { PrintedPage } from '../printed-page.ts';

/** What a report may be about: requests in a span of time, `from` inclusive, `to` exclusive; RFC 3339. */
export interface Span {
  from: string;
  to: string;
}

/** A report in a form that every output is made of. */
export interface Report {
  title: string;
  /** What it says, and how that was found, for a person who was not there. */
  statement: string;
  span: Span;
  /** Of the snapshot that it was made of. */
  madeAt: string;
  /** False where something that must not be was found; it is among the figures. */
  holds: boolean;
  figures: { name: string; value: string }[];
  columns: string[];
  rows: (string | null)[][];
}

/** Lines of one report: more is not read by a person, and exports of transfers have no such limit. */
const MOST_ROWS = 10_000;

/** One more than a report may have, so that one that is too long is noticed. */
export const ROWS_LIMIT = MOST_ROWS + 1;

/** @throws Problem REPORT_TOO_LONG */
export function requireFewRows<Row>(rows: Row[]): Row[] {
  if (rows.length <= MOST_ROWS) return rows;
  throw new Problem(422, 'REPORT_TOO_LONG', `more than ${MOST_ROWS} lines: name a shorter span of time`);
}

export function reportCsv({ columns, rows }: Report): string {
  return csvOf([columns, ...rows]);
}

/** A4; the same report gives the same bytes. */
export function reportPdf({
  title,
  statement,
  span,
  madeAt,
  holds,
  figures,
  columns,
  rows,
}: Report): Promise<Buffer> {
  const page = new PrintedPage({
    title,
    subject: `${span.from} to ${span.to}`,
    foot: `made at ${madeAt}`,
    date: new Date(madeAt),
  });
  page.title(title, `Requests from ${span.from} to before ${span.to}`);
  page.paragraph(statement);
  page.heading('Figures');
  page.row('Holds', holds ? 'yes' : 'NO: see below');
  for (const { name, value } of figures) page.row(name, value);
  page.heading('Lines');
  if (rows.length === 0) page.paragraph('None.');
  else {
    const lines = rows.map((row) => row.map((value) => value ?? '–'));
    page.table(
      columns.map((name, n) => [name, shareOf([name, ...lines.map((line) => line[n]!)])]),
      lines,
    );
  }
  page.heading('Examined');
  page.blanks(['Name', 'Date', 'Signature']);
  return page.end();
}

/** Characters that a column is given: its longest word, an id on two lines or a digest on three, and a little text. */
function shareOf(texts: string[]): number {
  const longest = (lengths: number[]) => lengths.reduce((most, length) => Math.max(most, length), 0);
  const words = texts
    .flatMap((text) => text.split(' '))
    .map(({ length }) => (length > 40 ? length / 3 : length > 32 ? length / 2 : length));
  const text = Math.min(12, longest(texts.map(({ length }) => length)));
  return Math.max(longest(words), text) + 4;
}
