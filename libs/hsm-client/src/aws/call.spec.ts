import { describe, expect, test } from '@jest/globals';
import type { HsmError } from '../errors.ts';
import { call } from './call.ts';

/** Errors as the SDK throws them: of a connection with `code`, of the service with `$metadata`. */
const connectionError = (code: string) => Object.assign(new Error('with a key field in it'), { code });
const serviceError = (name: string, httpStatusCode: number) =>
  Object.assign(new Error('with a key field in it'), {
    name,
    $metadata: { httpStatusCode, requestId: 'r-1' },
  });

async function outcome(error: Error, repeatable: boolean): Promise<{ sends: number; error: HsmError }> {
  let sends = 0;
  const send = (): Promise<never> => {
    sends += 1;
    return Promise.reject(error);
  };
  const options = { repeatable, timeoutMs: 120, closing: new AbortController().signal };
  const thrown = await call('CreateKey', send, options).catch((reason: HsmError) => reason);
  return { sends, error: thrown };
}

describe('one call of AWS', () => {
  test.each([
    // error, sent again when repeatable, sent again when not, code, may have been executed
    [connectionError('ECONNREFUSED'), true, true, 'HSM_UNREACHABLE', false],
    [connectionError('ENOTFOUND'), true, true, 'HSM_UNREACHABLE', false],
    [Object.assign(new Error(), { name: 'CredentialsProviderError' }), true, true, 'HSM_UNREACHABLE', false],
    [connectionError('ECONNRESET'), true, false, 'HSM_UNREACHABLE', true],
    [serviceError('InternalServerException', 500), true, false, 'HSM_UNREACHABLE', true],
    [serviceError('ServiceUnavailableException', 503), true, false, 'HSM_UNREACHABLE', true],
    [serviceError('ThrottlingException', 400), true, true, 'HSM_UNREACHABLE', false],
    [serviceError('TooManyRequestsException', 429), true, true, 'HSM_UNREACHABLE', false],
    [serviceError('SyntaxError', 200), false, false, 'HSM_BAD_ANSWER', true],
    [serviceError('ValidationException', 400), false, false, 'HSM_REFUSED', false],
    [serviceError('AccessDeniedException', 403), false, false, 'HSM_REFUSED', false],
  ])('%s', async (error, againIfRepeatable, againIfNot, code, mayHaveExecuted) => {
    for (const [repeatable, again] of [
      [true, againIfRepeatable],
      [false, againIfNot],
    ] as const) {
      const { sends, error: thrown } = await outcome(error, repeatable);
      expect({ repeatable, again: sends > 1 }).toEqual({ repeatable, again });
      expect(thrown).toMatchObject({ code, mayHaveExecuted });
      expect(thrown.message).not.toContain('key field');
      expect(thrown.cause).toBeUndefined();
    }
  });
});
