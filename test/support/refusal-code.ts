import { Refusal } from '../../apps/soft-hsm/src/answer-codes.ts';
import { SoftHsmError } from '../../apps/soft-hsm/src/errors.ts';

/** The code with which the soft HSM refuses what `action` does, or `done`. */
export function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return codeOfRefusal(error);
  }
  return 'done';
}

/** The code of a refusal. Throws what is none. */
export function codeOfRefusal(error: unknown): string {
  if (error instanceof Refusal || error instanceof SoftHsmError) return error.code;
  throw error;
}
