import { HsmError } from '../errors.ts';

const INTEGER = 0x02;
const SEQUENCE = 0x30;

/** Bytes of r and of s on P-256. */
const SCALAR_BYTES = 32;

/**
 * Signature of a token, r ‖ s, as Ecdsa-Sig-Value (RFC 3279, 2.2.3), DER. `signature`: 64 bytes.
 */
export function signatureToDer(signature: Uint8Array): Uint8Array {
  if (signature.length !== 2 * SCALAR_BYTES) {
    throw new HsmError('HSM_BAD_ANSWER', `C_Sign: expected 64 bytes, got ${signature.length}`, {
      mayHaveExecuted: true,
    });
  }
  const integers = [
    ...integer(signature.subarray(0, SCALAR_BYTES)),
    ...integer(signature.subarray(SCALAR_BYTES)),
  ];
  return Uint8Array.of(SEQUENCE, integers.length, ...integers);
}

/** Unsigned, as short as DER wants it. */
function integer(scalar: Uint8Array): Uint8Array {
  let start = 0;
  while (start < scalar.length - 1 && scalar[start] === 0) start += 1;
  const content = scalar.subarray(start);
  const sign = content[0]! >= 0x80 ? [0x00] : [];
  return Uint8Array.of(INTEGER, sign.length + content.length, ...sign, ...content);
}

/** The reverse. `undefined` for what is not the one DER form of two scalars: no such signature verifies. */
export function signatureFromDer(der: Uint8Array): Uint8Array | undefined {
  const signature = new Uint8Array(2 * SCALAR_BYTES);
  let offset = 2;
  for (const end of [SCALAR_BYTES, 2 * SCALAR_BYTES]) {
    const content = der.subarray(offset + 2, offset + 2 + (der[offset + 1] ?? 0));
    const scalar = content[0] === 0 ? content.subarray(1) : content;
    if (scalar.length > SCALAR_BYTES) return undefined;
    signature.set(scalar, end - scalar.length);
    offset += 2 + content.length;
  }
  const canonical = signatureToDer(signature);
  return Buffer.compare(canonical, der) === 0 ? signature : undefined;
}
