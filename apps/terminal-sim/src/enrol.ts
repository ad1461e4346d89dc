import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { TerminalSimError } from './errors.ts';
import type { Enrolment } from './record.ts';
import { model } from './terminal.ts';

/** The KDH's REST API, as far as a terminal's maker uses it. */
export interface EnrolmentApi {
  /** `http://host:port`. */
  readonly api: string;
  /** Holds the operator token; read anew each time, because the KDH may write it after this process has started. */
  readonly tokenFile: string;
  readonly profileId: string;
}

export interface EnrolmentRequest {
  readonly serial: string;
  /** PKCS#10, PEM. */
  readonly csrs: { readonly tls: string; readonly encryption: string; readonly signing: string };
}

const pem = z.string().startsWith('-----BEGIN CERTIFICATE-----');
const enrolmentAnswer = z.object({
  certificates: z.object({ tls: pem, encryption: pem, signing: pem }),
  chain: pem,
  kdhTrustAnchor: pem,
  gatewayTrustAnchor: pem,
});

/** RFC 9457, as far as a log line needs it. */
const problem = z.object({ code: z.string().catch('without a code'), detail: z.string().catch('no detail') });

const answerTimeoutMs = 30_000;
const retryLongestMs = 5_000;
/** Worth another try: the KDH is starting, busy or restarting. */
const isTransient = (status: number) => status >= 500 || status === 408 || status === 429;

/**
 * Enrols a terminal; tries again, with waits from 0.25 to 5 s, as long as the KDH is not there or cannot do it now.
 * Asking again with the same keys is safe: after a lost answer the KDH returns the same enrolment.
 * @param timeoutMs how long to wait for one answer
 * @throws TerminalSimError ENROLMENT_REFUSED when a repetition will not help
 */
export async function enrol(
  { api, tokenFile, profileId }: EnrolmentApi,
  { serial, csrs }: EnrolmentRequest,
  signal: AbortSignal,
  timeoutMs = answerTimeoutMs,
): Promise<Enrolment> {
  for (let waitMs = 250; ; waitMs = Math.min(waitMs * 2, retryLongestMs)) {
    signal.throwIfAborted();
    const answer = await withDeadline(timeoutMs, signal, (deadline) =>
      post(new URL('/api/v1/terminals', api), tokenFile, { serial, model, profileId, csrs }, deadline),
    );
    if (answer) return answer;
    await sleep(waitMs, undefined, { signal });
  }
}

/**
 * Does `work` with a signal that aborts after `timeoutMs`, or when `stop` does, and waits no longer than that. Made by hand,
 * because Node 20 follows signals by weak references: `AbortSignal.any` over `AbortSignal.timeout` can be collected
 * before its time, and so can what leads from a signal to the `fetch` that was given it (nodejs/undici#4984).
 */
async function withDeadline<T>(
  timeoutMs: number,
  stop: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  const controller = new AbortController();
  const { signal } = controller;
  const end = () => controller.abort();
  const timer = setTimeout(end, timeoutMs);
  stop.addEventListener('abort', end);
  const over = new Promise<undefined>((resolve) =>
    signal.addEventListener('abort', () => resolve(undefined)),
  );
  try {
    return await Promise.race([work(signal), over]);
  } finally {
    clearTimeout(timer);
    stop.removeEventListener('abort', end);
  }
}

/** The enrolment, or undefined when it is worth asking again. */
async function post(
  url: URL,
  tokenFile: string,
  body: object,
  signal: AbortSignal,
): Promise<Enrolment | undefined> {
  let response: Response;
  let text: string;
  try {
    const token = (await readFile(tokenFile, 'utf8')).trim();
    response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal,
    });
    text = await response.text();
  } catch {
    return undefined; // no token yet, nobody listens, or the answer did not come, or not whole
  }
  if (isTransient(response.status)) return undefined;
  const answer = parseJson(text);
  if (!response.ok) {
    const { code, detail } = problem.parse(answer ?? {});
    throw new TerminalSimError('ENROLMENT_REFUSED', `HTTP ${response.status} ${code}: ${detail}`);
  }
  const parsed = enrolmentAnswer.safeParse(answer);
  if (!parsed.success)
    throw new TerminalSimError('ENROLMENT_REFUSED', 'the answer of the KDH is no enrolment');
  return parsed.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
