import { STATUS_CODES } from 'node:http';
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import { HsmError } from '@openkdh/hsm-client';
import { PkiError } from '@openkdh/pki';
import type { Response } from 'express';
import { z } from 'zod';

/** What a request that cannot be served is answered with: RFC 9457, and a stable code. */
export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    code: z.string().describe('Stable; programs decide by it'),
    detail: z.string().describe('For people: what was wrong and what to do'),
    errors: z.array(z.string()).optional().describe('One line for each field that was refused'),
  })
  .meta({ id: 'Problem' });
export type ProblemDocument = z.infer<typeof problemSchema>;

/** A refusal with a stable code. `detail` says what to do and never shows key bytes. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
  ) {
    super(detail);
    this.name = 'Problem';
  }
}

const logger = new Logger('Http');

/** Turns whatever a controller throws into a problem document. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<Response>();
    const problem = problemOf(error);
    if (problem.status >= 500) logger.error({ event: 'http.failed', code: problem.code, msg: String(error) });
    if (response.headersSent) return void response.destroy();
    response.status(problem.status).type('application/problem+json').send(JSON.stringify(problem));
  }
}

function problemOf(error: unknown): ProblemDocument {
  if (error instanceof Problem) return problem(error.status, error.code, error.detail);
  if (error instanceof PkiError) return problem(400, error.code, error.message);
  if (error instanceof HsmError) {
    const answer = error.answer ? ` (HSM answer ${error.answer})` : '';
    return problem(503, error.code, `the HSM did not do it${answer}: ${error.message}`);
  }
  if (error instanceof HttpException) return httpProblem(error);
  if (isConnectionError(error))
    return problem(503, 'DATABASE_UNAVAILABLE', 'the database does not answer; try again');
  return problem(500, 'INTERNAL', 'an unexpected error; the server log has it');
}

function httpProblem(error: HttpException): ProblemDocument {
  const status = error.getStatus();
  const { message } = error.getResponse() as { message?: string | string[] };
  if (Array.isArray(message)) {
    return {
      ...problem(status, 'VALIDATION', 'the request has fields that cannot be accepted'),
      errors: message,
    };
  }
  const code = (STATUS_CODES[status] ?? 'error').toUpperCase().replaceAll(/[^A-Z]+/g, '_');
  return problem(status, code, message ?? error.message);
}

function problem(status: number, code: string, detail: string): ProblemDocument {
  return {
    type: `urn:openkdh:problem:${code}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    code,
    detail,
  };
}

/** PostgreSQL class 08 (connection), 57P0x (shutdown), and what node says of a socket that is not there. */
function isConnectionError(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  const text = typeof code === 'string' ? code : '';
  return (
    /^(08|57P0)/.test(text) ||
    /^E(CONN|PIPE|TIMEDOUT|NOENT)/.test(text) ||
    /terminated|timeout/i.test(String(error))
  );
}

/** A unique constraint that refused a row. */
export function violates(error: unknown, constraint: string): boolean {
  return (
    (error as { code?: string }).code === '23505' &&
    (error as { constraint?: string }).constraint === constraint
  );
}
