import { readFileSync } from 'node:fs';

/** A file of `test/vectors`. */
export function readVectors(file) {
  return JSON.parse(readFileSync(new URL(`../vectors/${file}`, import.meta.url), 'utf8'));
}

/** The code that a call is refused with, undefined if it is not. Anything else that it throws is a fault. */
export function refusalCode(ErrorClass, call) {
  try {
    call();
    return undefined;
  } catch (error) {
    return codeOf(ErrorClass, error);
  }
}

/** As `refusalCode`, for a call that may answer later. */
export async function laterRefusalCode(ErrorClass, call) {
  try {
    await call();
    return undefined;
  } catch (error) {
    return codeOf(ErrorClass, error);
  }
}

function codeOf(ErrorClass, error) {
  if (!(error instanceof ErrorClass) || error.message === '') throw error;
  return error.code;
}
