import { once } from 'node:events';
import type { Response } from 'express';
import { z } from 'zod';
import { type Columns, csvOf } from '../http/csv.ts';

/** Records read and sent at a time: memory does not grow with the export. */
const RECORDS_PER_PAGE = 500;

export const exportFormatSchema = z.enum(['csv', 'jsonl']).describe('CSV (RFC 4180) or JSON lines');
export type ExportFormat = z.infer<typeof exportFormatSchema>;

export interface ExportShape<Row> {
  /** Of the file, without its ending. */
  name: string;
  format: ExportFormat;
  columns: Columns<Row>;
  /** Writes down that this is exported; called before anything is sent. */
  record(): Promise<void>;
}

/**
 * Sends all records of a search, page by page, no faster than they are taken. What is recorded meanwhile does not shift
 * the pages. An error in the middle cuts the connection: an export never ends as if it were complete.
 */
export async function sendAll<Row>(
  response: Response,
  { name, format, columns, record }: ExportShape<Row>,
  readPage: (after: string | undefined, limit: number) => Promise<{ records: Row[]; next: string | null }>,
): Promise<void> {
  let page = await readPage(undefined, RECORDS_PER_PAGE); // a refusal of the first page is still answered as such
  await record();
  response.type(format === 'csv' ? 'text/csv; charset=utf-8' : 'application/x-ndjson');
  response.setHeader('content-disposition', `attachment; filename="${name}.${format}"`);
  if (format === 'csv') response.write(csvOf([columns.names]));
  while (true) {
    const text =
      format === 'csv'
        ? csvOf(page.records.flatMap(columns.rowsOf))
        : page.records.map((record) => `${JSON.stringify(record)}\n`).join('');
    if (text !== '' && !response.write(text))
      await Promise.race([once(response, 'drain'), once(response, 'close')]);
    if (page.next === null) break;
    if (response.destroyed) return; // whoever asked has gone
    page = await readPage(page.next, RECORDS_PER_PAGE);
  }
  response.end();
}
