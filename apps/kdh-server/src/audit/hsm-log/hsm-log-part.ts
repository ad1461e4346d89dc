import type { Hsm } from '@openkdh/hsm-client';
import { ChainBroken, type ChainEnd, continueCopy, hashOf } from './hsm-chain.ts';

/** An answer with fewer records was the last that there was, or nearly so. */
const CAUGHT_UP_RECORDS = 20;

/** Answers of the HSM, of some fifty records each, that are kept as one part. */
export const ANSWERS_PER_PART = 20;

/** What is copied at a time, and where the copy ends with it. */
export interface HsmLogPart {
  end: ChainEnd;
  lines: string[];
  /** That the HSM had no more. */
  caughtUp: boolean;
  /** Why nothing follows the lines that were taken. */
  broken?: ChainBroken;
}

/** What the HSM's log has behind the end of a copy, as far as it goes into one part; each answer continues the one before. */
export async function fetchPart(hsm: Pick<Hsm, 'auditRecords'>, end: ChainEnd): Promise<HsmLogPart> {
  const part: HsmLogPart = { end, lines: [], caughtUp: false };
  try {
    for (let answers = 0; answers < ANSWERS_PER_PART && !part.caughtUp; answers++) {
      const lines = await recordsAfter(hsm, part.end);
      part.end = continueCopy(part.end, lines);
      part.lines.push(...lines);
      part.caughtUp = lines.length < CAUGHT_UP_RECORDS;
    }
  } catch (error) {
    if (!(error instanceof ChainBroken)) throw error;
    part.broken = error;
  }
  return part;
}

/** What the HSM has after the last record of the copy, which it must still have: else it, or its log, is another one. */
async function recordsAfter(hsm: Pick<Hsm, 'auditRecords'>, end: ChainEnd): Promise<string[]> {
  if (end.seq === 0) return hsm.auditRecords(1);
  const [last, ...lines] = await hsm.auditRecords(end.seq);
  if (last === undefined || hashOf(last) !== end.hash)
    throw new ChainBroken(`the HSM does not have record ${end.seq} any more, or has another`);
  return lines;
}
