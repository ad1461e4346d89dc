import { z } from 'zod';

/**
 * How searches stay bounded. A search walks one index, its *driver*: the most selective one that its filters name, else
 * time. The other filters are applied to what the walk meets, and one page looks at no more than EXAMINED rows of it: a
 * page may be short, or empty, and still have a `next`. So the cost of a page does not depend on how long the history
 * is, nor on how the filters are combined.
 */
export const EXAMINED = 2_000;

/** The second wall: what the database stops, whatever the planner made of a statement. */
export const SEARCH_TIMEOUT_MILLISECONDS = 5_000;

export interface Statement {
  text: string;
  parameters: unknown[];
}

/** Which part of a search to read. */
export interface PageRequest {
  /** `next` of the page before. */
  after?: string | undefined;
  limit: number;
}

/** The values of a statement, in the order of their `$n`. */
export class Parameters {
  readonly values: unknown[] = [];

  /** Returns the place holder. */
  readonly put = (value: unknown): string => `$${this.values.push(value)}`;
}

/** Conditions that must all hold; none holds always. */
export function allOf(conditions: string[]): string {
  return conditions.length > 0 ? conditions.join(' and ') : 'true';
}

/** The end of an ascending range of text: every text that begins with `prefix` is below it. ASCII only. */
export function afterPrefix(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}

const instant = z.iso.datetime({ offset: true });

/** A span of time and a page: what every search has. Days of four-digit years only: what PostgreSQL and RFC 3339 share. */
export const spanShape = {
  from: instant.optional().describe('At or after'),
  to: instant.optional().describe('Before'),
};

export const pageShape = {
  limit: z.coerce.number().int().min(1).max(500).default(50),
};

/** A name as it stands in a record: printable, with no control, bidirectional or other invisible characters. */
export const printable = (longest: number) =>
  z
    .string()
    .min(1)
    .max(longest)
    .regex(/^[\p{L}\p{M}\p{N}\p{P}\p{S} ]+$/u, 'printable characters only');

/** True where a span has no room: `to` must be after `from`. */
export function isReversed({ from, to }: { from?: string | undefined; to?: string | undefined }): boolean {
  return from !== undefined && to !== undefined && Date.parse(from) >= Date.parse(to);
}
