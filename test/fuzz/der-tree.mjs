/** DER as a tree, so that one value can be changed and the lengths around it still fit. */

const deepest = 40;

/**
 * The values that fill `bytes`, or undefined where that is no DER. A value has `children` if it is constructed or an
 * OCTET STRING that holds DER itself, else `content`; what is nested deeper than any token is left as content.
 */
export function readTree(bytes, depth = 0) {
  const nodes = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at];
    let length = bytes[at + 1];
    at += 2;
    if (length >= 0x80) {
      const lengthBytes = length & 0x7f;
      if (lengthBytes === 0 || lengthBytes > 3 || at + lengthBytes > bytes.length) return undefined;
      length = Buffer.from(bytes.buffer, bytes.byteOffset).readUIntBE(at, lengthBytes);
      at += lengthBytes;
    }
    if (!(at + length <= bytes.length)) return undefined;
    const content = bytes.subarray(at, at + length);
    const nests = depth < deepest && (tag & 0x20 || (tag === 0x04 && length > 1));
    const children = nests ? readTree(content, depth + 1) : undefined;
    nodes.push(children ? { tag, children } : { tag, content });
    at += length;
  }
  return nodes;
}

export function writeTree(nodes) {
  return Buffer.concat(
    nodes.flatMap(({ tag, children, content = writeTree(children) }) => [
      header(tag, content.length),
      content,
    ]),
  );
}

function header(tag, length) {
  if (length < 0x80) return Buffer.of(tag, length);
  if (length < 0x100) return Buffer.of(tag, 0x81, length);
  return length < 0x10000
    ? Buffer.of(tag, 0x82, length >> 8, length & 0xff)
    : Buffer.of(tag, 0x83, length >> 16, (length >> 8) & 0xff, length & 0xff);
}

/** Every value of a tree, with the list that it stands in. */
export function placesIn(nodes, places = []) {
  for (const node of nodes) {
    places.push({ node, siblings: nodes });
    if (node.children) placesIn(node.children, places);
  }
  return places;
}
