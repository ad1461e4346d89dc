import { formatVerifierKey } from '@openkdh/transparency-log';
import { defineCommand } from '../command.ts';
import { text } from '../members.ts';
import type { LogMemory } from './state.ts';
import { readState } from './state-file.ts';

/** What a witness remembers of a log; notes as text. */
interface ShownLog {
  readonly origin: string;
  /** Decimal. */
  readonly size: string;
  readonly checkpoint: string;
  readonly fork?: string;
  readonly unproven?: string;
}

export const showWitness = defineCommand({
  name: 'witness show',
  summary:
    'Shows the verifier key of a witness, what it cosigned last of each log, and what contradicts that.',
  members: { state: text('its state file') },
  run({ state: path }): { key: string; logs: ShownLog[] } {
    const { signer, state } = readState(path);
    return { key: formatVerifierKey(signer.key), logs: [...state.logs].map(shown) };
  },
  text: ({ key, logs }) => [`${key}\n`, ...logs.map(wordsFor)].join('\n'),
});

function shown([origin, { latest, fork, unproven }]: [string, LogMemory]): ShownLog {
  const text = (note: Uint8Array) => Buffer.from(note).toString('utf8');
  return {
    origin,
    size: String(latest.checkpoint.size),
    checkpoint: text(latest.note),
    ...(fork && { fork: text(fork) }),
    ...(unproven && { unproven: text(unproven) }),
  };
}

function wordsFor({ origin, size, checkpoint, fork, unproven }: ShownLog): string {
  const lines = [`${origin}: cosigned up to ${size} entries.\n\n${checkpoint}`];
  if (fork) lines.push(`FORK: its key has signed another root of a size that was cosigned.\n\n${fork}`);
  if (unproven) lines.push(`UNPROVEN: not shown to continue what was cosigned then.\n\n${unproven}`);
  return lines.join('\n');
}
