/**
 * Runs `call` and returns every typed array that our code made meanwhile, views too: to see afterwards what is left in
 * them. Buffers are not among them, since node makes those.
 */
export function recordArrays(call: () => void): (Uint8Array | Int32Array)[] {
  const made: (Uint8Array | Int32Array)[] = [];
  const originals = { Uint8Array, Int32Array };
  // Subclasses, whose arrays make arrays of their kind in `slice`, `map` and `subarray`. One of the overloads will do for
  // the compiler: all arguments are handed on.
  globalThis.Uint8Array = class extends originals.Uint8Array<ArrayBuffer> {
    static override [Symbol.hasInstance](value: unknown) {
      return value instanceof originals.Uint8Array;
    }
    constructor(...values: [buffer: ArrayBuffer]) {
      super(...values);
      made.push(this);
    }
  } as unknown as typeof Uint8Array;
  globalThis.Int32Array = class extends originals.Int32Array<ArrayBuffer> {
    constructor(...values: [buffer: ArrayBuffer]) {
      super(...values);
      made.push(this);
    }
  } as typeof Int32Array;
  try {
    call();
  } finally {
    Object.assign(globalThis, originals);
  }
  return made;
}

/** Whether an array holds 8 bytes in a row of one of the secrets, the length of half a TDES key. */
export function holdsSecret(array: Uint8Array | Int32Array, secrets: readonly Uint8Array[]): boolean {
  const bytes = Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  return secrets.some((secret) => {
    for (let at = 0; at + 8 <= secret.length; at++) {
      if (bytes.includes(Buffer.from(secret.subarray(at, at + 8)))) return true;
    }
    return false;
  });
}
