import { type CheckpointTrust, type VerifiedSignature, type VerifierKey } from '@openkdh/transparency-log';
import { CliError } from '../errors.ts';
import { count, optional, texts } from '../members.ts';
import { readVerifierKey } from '../verifier-key.ts';

/** More witnesses than anybody has. */
const mostWitnesses = 99;

/** The members of a command that asks for cosignatures. */
export const witnessMembers = {
  witness: optional(texts('verifier key of a witness that you trust: a file, or the key itself')),
  quorum: optional(count('how many of them must have cosigned (all)', mostWitnesses)),
};

/** A cosignature by a witness that is trusted. */
export interface Cosigned {
  readonly witness: string;
  /** As the witness says: ISO 8601 in UTC, to the second. */
  readonly time: string;
}

export function trustIn(key: VerifierKey): CheckpointTrust {
  return { origin: key.name, logKeys: [key], witnesses: [], quorum: 0 };
}

/** `quorum`: all of them unless said otherwise. */
export async function readWitnesses(
  given: readonly string[] = [],
  quorum = given.length,
): Promise<Pick<CheckpointTrust, 'witnesses' | 'quorum'>> {
  const witnesses = await Promise.all(given.map((one) => readVerifierKey(one, 'witness')));
  const stranger = witnesses.find(({ type }) => type !== 'cosignature/v1');
  if (stranger !== undefined) {
    throw new CliError('CLI_MEMBER_INVALID', `witness: expected a key that cosigns, got ${stranger.type}`);
  }
  if (quorum > witnesses.length) {
    throw new CliError(
      'CLI_MEMBER_INVALID',
      `quorum: expected at most the ${witnesses.length} witnesses that are named, got ${quorum}`,
    );
  }
  return { witnesses, quorum };
}

/** The cosignatures among the signatures that were verified. */
export function cosignaturesIn(signatures: readonly VerifiedSignature[]): Cosigned[] {
  return signatures.flatMap(({ key: { name }, timestampSeconds }) =>
    timestampSeconds === undefined ? [] : [{ witness: name, time: isoTime(timestampSeconds) }],
  );
}

/** What a witness says may be later than any date that JavaScript can write. */
function isoTime(seconds: bigint): string {
  const date = new Date(Number(seconds) * 1_000);
  return Number.isNaN(date.valueOf()) ? `${seconds} s` : date.toISOString().replace('.000Z', 'Z');
}

/** One line. */
export function wordsForWitnesses(cosigned: readonly Cosigned[]): string {
  if (cosigned.length === 0)
    return 'Not verified: whether others were shown the same log; no witness cosigned it.';
  const who = cosigned.map(({ witness, time }) => `${witness} at ${time}`).join(', ');
  return `Witnesses that you trust cosigned that, each of them having seen the log only grow: ${who}.`;
}
