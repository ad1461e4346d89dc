import { Problem } from './problem.ts';

/** Where a page ended: keyset pages stay fast at any depth and do not shift when rows are added. */
export interface Cursor {
  /** RFC 3339 with microseconds, as PostgreSQL wrote it. */
  createdAt: string;
  id: string;
}

export function encodeCursor({ createdAt, id }: Cursor): string {
  return Buffer.from(`${createdAt} ${id}`).toString('base64url');
}

export function decodeCursor(text: string): Cursor {
  const match = /^(\d{4}-\d\d-\d\dT[\d:.]{8,15}Z) ([0-9a-f-]{36})$/.exec(
    Buffer.from(text, 'base64url').toString(),
  );
  if (!match) throw new Problem(400, 'CURSOR', 'take the cursor from the page before, unchanged');
  return { createdAt: match[1] as string, id: match[2] as string };
}
