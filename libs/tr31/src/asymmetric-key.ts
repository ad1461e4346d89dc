/** What the DER of an RSA or EC key says about its kind and size; the key itself is not taken apart further. */

export interface AsymmetricKeyForm {
  kind: 'RSA' | 'EC';
  secret: boolean;
  /** Bits of the modulus, or of the field rounded up to whole bytes. */
  bits: number;
}

interface Element {
  tag: number;
  /** Range of the contents in the array. */
  start: number;
  end: number;
}

const integer = 0x02;
const bitString = 0x03;
const octetString = 0x04;
const objectIdentifier = 0x06;
const sequence = 0x30;

/**
 * Recognises RSAPrivateKey and RSAPublicKey (RFC 8017), ECPrivateKey (RFC 5915), PrivateKeyInfo (RFC 5208) and
 * SubjectPublicKeyInfo (RFC 5280). The worked examples of X9.143:2021, 8.5 and 8.6 hold the first and the third.
 * Undefined for everything else. The shapes of the RFCs are from memory.
 */
export function readAsymmetricKey(der: Uint8Array): AsymmetricKeyForm | undefined {
  const whole = readElements(der, 0, der.length);
  if (whole?.length !== 1 || whole[0]!.tag !== sequence) return undefined;
  const parts = readElements(der, whole[0]!.start, whole[0]!.end);
  if (!parts || parts.length < 2) return undefined;
  const [first, second, third] = parts as [Element, Element, Element?];

  if (first.tag === integer && second.tag === integer) {
    if (parts.length >= 9) return { kind: 'RSA', secret: true, bits: integerBits(der, second) };
    if (parts.length === 2) return { kind: 'RSA', secret: false, bits: integerBits(der, first) };
  }
  if (first.tag === integer && second.tag === octetString) {
    return { kind: 'EC', secret: true, bits: 8 * (second.end - second.start) };
  }
  if (first.tag === integer && second.tag === sequence && third?.tag === octetString) {
    return readAsymmetricKey(der.subarray(third.start, third.end)); // PrivateKeyInfo around one of the above
  }
  if (first.tag === sequence && second.tag === bitString) {
    // SubjectPublicKeyInfo: the bit string holds an RSAPublicKey, or a point 04 ‖ x ‖ y, after its unused-bits byte.
    const key = der.subarray(second.start + 1, second.end);
    if (key[0] === 0x04 && readElements(der, first.start, first.end)?.[1]?.tag === objectIdentifier) {
      return { kind: 'EC', secret: false, bits: 4 * (key.length - 1) };
    }
    return readAsymmetricKey(key);
  }
  return undefined;
}

/** The elements that fill the range exactly, or undefined. Definite lengths of up to three bytes. */
function readElements(der: Uint8Array, start: number, end: number): Element[] | undefined {
  const elements: Element[] = [];
  for (let at = start; at < end; ) {
    const tag = der[at]!;
    let length = der[at + 1] ?? 0xff;
    let contents = at + 2;
    if (length >= 0x80) {
      const lengthBytes = length & 0x7f;
      if (lengthBytes === 0 || lengthBytes > 3 || contents + lengthBytes > end) return undefined;
      length = 0;
      for (let i = 0; i < lengthBytes; i++) length = (length << 8) | der[contents + i]!;
      contents += lengthBytes;
    }
    if (contents + length > end) return undefined;
    elements.push({ tag, start: contents, end: contents + length });
    at = contents + length;
  }
  return elements;
}

/** Significant bits of an INTEGER, leading zeros skipped. */
function integerBits(der: Uint8Array, element: Element): number {
  let at = element.start;
  while (at < element.end && der[at] === 0) at++;
  return at === element.end ? 0 : 8 * (element.end - at) - Math.clz32(der[at]!) + 24;
}
