/** A signal that lives until the work is done. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** The work is done: nothing is left behind. */
  end(): void;
}

/**
 * Aborts after `timeoutMs`, or when `closing` does. Made by hand because `AbortSignal.any` over `AbortSignal.timeout` can
 * be collected in Node 20 before its time, and then never aborts.
 */
export function startDeadline(timeoutMs: number, closing: AbortSignal): Deadline {
  const controller = new AbortController();
  const abort = (): void => controller.abort(closing.reason);
  const timer = setTimeout(() => controller.abort(new Error(`not within ${timeoutMs} ms`)), timeoutMs);
  if (closing.aborted) abort();
  closing.addEventListener('abort', abort);
  return {
    signal: controller.signal,
    end() {
      clearTimeout(timer);
      closing.removeEventListener('abort', abort);
    },
  };
}
