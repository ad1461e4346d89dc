/** The little DER that keys and certificate requests are made of. ITU-T X.690. */

const sequenceTag = 0x30;
const integerTag = 0x02;

/** A SEQUENCE of INTEGERs as their content bytes; `undefined` if `der` is anything else or has bytes after it. */
export function readIntegers(der: Uint8Array): Uint8Array[] | undefined {
  const outer = readElement(der, sequenceTag);
  if (outer === undefined || outer.rest.length > 0) return undefined;
  const integers: Uint8Array[] = [];
  for (let rest = outer.content; rest.length > 0; ) {
    const element = readElement(rest, integerTag);
    if (element === undefined || element.content.length === 0) return undefined;
    integers.push(element.content);
    rest = element.rest;
  }
  return integers;
}

/** SEQUENCE of INTEGERs whose content bytes are `integers` as they are. */
export function writeIntegers(integers: readonly Uint8Array[]): Buffer {
  const elements = integers.map((content) => writeElement(integerTag, content));
  const sequence = writeElement(sequenceTag, ...elements);
  for (const part of elements) part.fill(0);
  return sequence;
}

/** Content bytes of an INTEGER that is not negative: a zero in front if the top bit is set, no other in front. */
export function signedContent(magnitude: Uint8Array): Uint8Array {
  const minimal = unsignedContent(magnitude);
  return minimal[0]! >= 0x80 ? Buffer.concat([Uint8Array.of(0), minimal]) : minimal;
}

/** The magnitude without zeros in front: what a payShield writes as an "unsigned" INTEGER. */
export function unsignedContent(content: Uint8Array): Uint8Array {
  const first = content.findIndex((byte) => byte !== 0);
  return content.subarray(first === -1 ? content.length - 1 : first);
}

function readElement(der: Uint8Array, tag: number): { content: Uint8Array; rest: Uint8Array } | undefined {
  if (der[0] !== tag || der.length < 2) return undefined;
  const short = der[1]!;
  const lengthBytes = short < 0x80 ? 0 : short & 0x7f;
  if (lengthBytes > 2 || der.length < 2 + lengthBytes) return undefined;
  let length = short;
  if (lengthBytes > 0)
    length = der.subarray(2, 2 + lengthBytes).reduce((value, byte) => value * 0x100 + byte, 0);
  const start = 2 + lengthBytes;
  if (short === 0x80 || der.length < start + length) return undefined;
  return { content: der.subarray(start, start + length), rest: der.subarray(start + length) };
}

/** One element; its content is the concatenation of `contents`, at most 65,535 bytes. */
export function writeElement(tag: number, ...contents: Uint8Array[]): Buffer {
  const length = contents.reduce((sum, content) => sum + content.length, 0);
  const head =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Uint8Array.of(tag, ...head), ...contents]);
}
