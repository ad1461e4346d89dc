import { setTimeout as sleep } from 'node:timers/promises';
import { startDeadline } from '../deadline.ts';
import { HsmError } from '../errors.ts';

/** The longest first pause before a call is tried again; each further one may be twice as long. */
const FIRST_PAUSE_MS = 100;

export interface CallOptions {
  /** Whether it may be sent again when it may have been executed. */
  repeatable: boolean;
  /** Of the whole call. */
  timeoutMs: number;
  /** Ends the call when the client is closed. */
  closing: AbortSignal;
}

/**
 * One call of the service with one deadline. Calls that were throttled or did not leave are tried again; after a 5xx
 * or a broken connection only repeatable ones are. Pauses are random up to a limit that doubles (full jitter).
 */
export async function call<Result>(
  operation: string,
  send: (signal: AbortSignal) => Promise<Result>,
  { repeatable, timeoutMs, closing }: CallOptions,
): Promise<Result> {
  const deadline = startDeadline(timeoutMs, closing);
  const { signal } = deadline;
  try {
    for (let attempt = 0; ; attempt += 1) {
      if (closing.aborted) throw closed(attempt > 0);
      const outcome = await send(signal).then(
        (result) => ({ result }),
        (error: unknown) => failureOf(error),
      );
      if ('result' in outcome) return outcome.result;
      if (closing.aborted) throw closed(true);
      const { kind } = outcome;
      if (kind === 'unknown' && signal.aborted) {
        const message = `${operation}: no answer from AWS within ${timeoutMs} ms`;
        throw new HsmError('HSM_TIMEOUT', message, { mayHaveExecuted: true });
      }
      const final = kind === 'refused' || kind === 'garbage' || (kind === 'unknown' && !repeatable);
      if (final) throw toHsmError(operation, outcome);
      const pauseMs = Math.random() * FIRST_PAUSE_MS * 2 ** attempt;
      await sleep(pauseMs, undefined, { signal }).catch(() => {});
      if (signal.aborted && !closing.aborted) throw toHsmError(operation, outcome);
    }
  } finally {
    deadline.end();
  }
}

/** What an error of the SDK, or of a signed post, says. Its own words are left out: they may quote a field of the request. */
interface Failure {
  /** The call may have been executed only after `unknown` and `garbage`, an answer with status 200 that is none. */
  kind: 'refused' | 'throttled' | 'unsent' | 'unknown' | 'garbage';
  /** Name of the exception, or of the error of the connection. */
  name: string;
  /** As in CloudTrail, which is the log of this HSM. */
  requestId: string | undefined;
}

const unsentErrors = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'CredentialsProviderError'];

function failureOf(error: unknown): Failure {
  const { name, code, cause, $metadata } = error as {
    name: string;
    code?: string;
    /** Of what fetch throws. */
    cause?: { code?: string };
    $metadata?: { httpStatusCode?: number; requestId?: string };
  };
  const status = $metadata?.httpStatusCode;
  if (status === undefined) {
    const reason = code ?? cause?.code ?? name;
    return { kind: unsentErrors.includes(reason) ? 'unsent' : 'unknown', name: reason, requestId: undefined };
  }
  const requestId = $metadata?.requestId;
  if (status < 300) return { kind: 'garbage', name, requestId };
  if (name === 'ThrottlingException' || status === 429) return { kind: 'throttled', name, requestId };
  return { kind: status >= 500 ? 'unknown' : 'refused', name, requestId };
}

function toHsmError(operation: string, { kind, name, requestId }: Failure): HsmError {
  const where = requestId === undefined ? '' : ` (request ${requestId})`;
  if (kind === 'refused') {
    return new HsmError('HSM_REFUSED', `${operation}: AWS refused with ${name}${where}`, { answer: name });
  }
  if (kind === 'garbage') {
    const what = `${operation}: expected an answer in JSON from AWS${where}`;
    return new HsmError('HSM_BAD_ANSWER', what, { mayHaveExecuted: true });
  }
  // Throttled until the deadline: nothing is wrong with the request, which may well be made again later.
  return new HsmError('HSM_UNREACHABLE', `${operation}: AWS failed with ${name}${where}`, {
    answer: kind === 'throttled' ? name : undefined,
    mayHaveExecuted: kind === 'unknown',
  });
}

function closed(mayHaveExecuted: boolean): HsmError {
  return new HsmError('HSM_CLOSED', 'the HSM client was closed', { mayHaveExecuted });
}
