import type { WitnessReply } from './witness-client.ts';

export const witnessStates = ['AGREES', 'AWAY', 'REFUSES', 'CONTRADICTS'] as const;
/** How a witness stands to this log, by its last answer. */
export type WitnessState = (typeof witnessStates)[number];

export interface Standing {
  readonly state: WitnessState;
  /** For people; empty where all is well. */
  readonly detail: string;
}

/** What to do about an answer. */
export type Verdict =
  /** The cosignature is to be stored. */
  | { readonly kind: 'cosigned' }
  /** It has cosigned another size, from which a proof is to be made. */
  | { readonly kind: 'ask again'; readonly oldSize: bigint }
  /** Another node was faster: nothing is wrong. */
  | { readonly kind: 'overtaken' }
  | ({ readonly kind: 'standing' } & Standing);

/** What was shown to the witness, and what the log has signed by now. */
export interface Shown {
  readonly oldSize: bigint;
  /** Of the checkpoint that was shown. */
  readonly size: bigint;
  /** Of the newest checkpoint that the log has signed when the answer is judged. */
  readonly newestSize: bigint;
}

/**
 * Judges an answer. A witness that has cosigned more than this log has signed, or another root of the same size, or that
 * cannot be shown growth, is the alarm that witnesses are for: this database, or the key, has told somebody else another
 * history.
 */
export function judgeReply(reply: WitnessReply, { oldSize, size, newestSize }: Shown): Verdict {
  switch (reply.kind) {
    case 'cosigned':
      return { kind: 'cosigned' };
    case 'unproven':
      return contradicts(
        `UNPROVEN: it has cosigned ${oldSize} entries that this log of ${size} does not continue`,
      );
    case 'size':
      if (reply.size === oldSize) {
        if (oldSize === size) {
          return contradicts(`FORK: it has cosigned another root of ${size} entries than this log has`);
        }
        return {
          kind: 'standing',
          state: 'REFUSES',
          detail: 'answered 409 with the size that it was asked with',
        };
      }
      if (reply.size <= size) return { kind: 'ask again', oldSize: reply.size };
      if (reply.size <= newestSize) return { kind: 'overtaken' };
      return contradicts(`OLDER: it has cosigned ${reply.size} entries, and this log has ${newestSize}`);
    case 'refused':
      return { kind: 'standing', state: 'REFUSES', detail: reply.detail };
    case 'away':
      return { kind: 'standing', state: 'AWAY', detail: reply.detail };
  }
}

function contradicts(detail: string): Verdict {
  return { kind: 'standing', state: 'CONTRADICTS', detail };
}
