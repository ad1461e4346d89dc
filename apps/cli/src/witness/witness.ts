import {
  answerAddCheckpoint,
  cosignCheckpoint,
  formatNote,
  formatSignatureLine,
  parseNote,
  type SignedCheckpoint,
  type VerifierKey,
  type WitnessAnswer,
  type WitnessedLog,
} from '@openkdh/transparency-log';
import type { LogMemory } from './state.ts';
import type { StateFile } from './state-file.ts';

/** An answer by HTTP. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

export interface WitnessOptions {
  readonly file: StateFile;
  /** Of the logs that it serves; a log's origin is the name of its key. */
  readonly logKeys: readonly VerifierKey[];
  /** A line for the person who runs it; a finding is told once for each checkpoint. */
  readonly report: (line: string) => void;
  /** Since 1970-01-01. */
  readonly now: () => bigint;
}

/**
 * Cosigns consistent growth of the logs that it serves. What it has cosigned is on the disk before the cosignature
 * leaves; between a look at the state and its replacement nothing else runs, since both are synchronous.
 */
export class Witness {
  readonly #file: StateFile;
  readonly #keys: ReadonlyMap<string, VerifierKey>;
  readonly #report: (line: string) => void;
  readonly #now: () => bigint;
  /** What was told last, by origin. */
  readonly #told = new Map<string, string>();
  #cosigned = 0;

  constructor({ file, logKeys, report, now }: WitnessOptions) {
    this.#file = file;
    this.#keys = new Map(logKeys.map((key) => [key.name, key]));
    this.#report = report;
    this.#now = now;
  }

  /** How many cosignatures were given. */
  get cosigned(): number {
    return this.#cosigned;
  }

  /** `body`: of add-checkpoint; may be anything. @throws CLI_FILE (the state cannot be written): nothing was cosigned */
  async addCheckpoint(body: Uint8Array): Promise<Answer> {
    const answer = answerAddCheckpoint(body, (origin) => this.#find(origin));
    switch (answer.status) {
      case 200:
        return this.#cosign(answer.signed);
      case 409:
        this.#noteFinding(answer);
        return { status: 409, type: 'text/x.tlog.size', text: `${answer.latestSize}\n` };
      case 422:
        this.#noteFinding(answer);
        return plain(422, 'the proof does not lead from the checkpoint that was cosigned last to this one');
      default:
        return plain(answer.status, answer.reason);
    }
  }

  #find(origin: string): WitnessedLog | undefined {
    const key = this.#keys.get(origin);
    return key && { key, latest: this.#file.state.logs.get(origin)?.latest.checkpoint };
  }

  async #cosign({ checkpoint, note }: SignedCheckpoint): Promise<Answer> {
    const { origin, size } = checkpoint;
    const before = this.#file.state.logs.get(origin);
    if (before?.latest.checkpoint.size !== size) {
      this.#remember(origin, { ...before, latest: { checkpoint, note: this.#ownLines(origin, note) } });
    }
    if (before === undefined)
      this.#report(`${origin}: the first checkpoint, of ${size} entries, is cosigned`);
    const cosignature = await cosignCheckpoint(note, this.#file.signer, this.#now());
    this.#cosigned += 1;
    return { status: 200, type: 'text/plain; charset=utf-8', text: formatSignatureLine(cosignature) };
  }

  /** Keeps what may prove misbehaviour, and tells it. */
  #noteFinding(answer: WitnessAnswer & { status: 409 | 422 }): void {
    if (answer.finding === undefined) return;
    const { origin, size, root } = answer.signed.checkpoint;
    const memory = this.#file.state.logs.get(origin);
    const told = `${answer.finding} ${size} ${Buffer.from(root).toString('hex')}`;
    if (memory === undefined || this.#told.get(origin) === told) return;
    const note = this.#ownLines(origin, answer.signed.note);
    if (answer.finding === 'FORK') this.#remember(origin, { fork: note, ...memory });
    if (answer.finding === 'UNPROVEN') this.#remember(origin, { ...memory, unproven: note });
    this.#told.set(origin, told);
    this.#report(`${origin}: ${answer.finding}: ${wordsFor(answer, memory.latest.checkpoint.size)}`);
  }

  #remember(origin: string, memory: LogMemory): void {
    const { name, logs } = this.#file.state;
    this.#file.replace({ name, logs: new Map([...logs, [origin, memory]]) });
  }

  /** The note with the signature of its log alone: others may be anything, and many. */
  #ownLines(origin: string, note: Uint8Array): Uint8Array {
    const key = this.#keys.get(origin)!;
    const { text, signatures } = parseNote(note);
    return formatNote({
      text,
      signatures: signatures.filter(({ name, keyId }) => name === key.name && keyId === key.keyId),
    });
  }
}

function wordsFor({ finding, signed }: WitnessAnswer & { status: 409 | 422 }, latest: bigint): string {
  const { size } = signed.checkpoint;
  switch (finding) {
    case 'FORK':
      return `it has signed two checkpoints of ${size} entries with different roots; both are kept`;
    case 'OLDER':
      return `it shows ${size} entries, after ${latest} were cosigned: restored from a backup, cut off, or made anew`;
    default:
      return `its ${size} entries were not shown to continue the ${latest} that were cosigned; the checkpoint is kept`;
  }
}

function plain(status: number, text: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', text: `${text}\n` };
}
