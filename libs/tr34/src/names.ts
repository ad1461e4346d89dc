/** Distinguished names, for the role by common name and for display. RFC 5280, 4.1.2.4; RFC 4514. */
import { type Der, DerReader, oidOf, openDer, tags } from './der.ts';

/** RFC 4514, 3. */
const shortNames: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
};

/** Every common name in a Name (DER). */
export function commonNamesOf(name: Uint8Array): string[] {
  return attributesOf(name).flatMap(({ type, value }) => (type === '2.5.4.3' ? [value] : []));
}

/** A Name (DER) as RFC 4514 writes it, the most specific part first; for people, not for comparison. */
export function nameText(name: Uint8Array): string {
  const parts = attributesOf(name).map(({ type, value }) => {
    return `${shortNames[type] ?? type}=${value.replace(/[,+"\\<>;]/g, '\\$&')}`;
  });
  return parts.reverse().join(',');
}

function attributesOf(name: Uint8Array) {
  return openDer(name, tags.sequence, 'Name')
    .rest(tags.set, 'relativeDistinguishedName')
    .flatMap(({ content }) =>
      new DerReader(content, 'RelativeDistinguishedName').rest(tags.sequence, 'attribute'),
    )
    .map(({ content }) => {
      const attribute = new DerReader(content, 'AttributeTypeAndValue');
      return { type: oidOf(attribute.any('type')), value: textOf(attribute.any('value')) };
    });
}

/** DirectoryString: BMPString in two octets, the others as UTF-8 (PrintableString and IA5String are a part of it). */
function textOf({ tag, content }: Der): string {
  const bytes = Buffer.from(content);
  return tag === 0x1e
    ? bytes
        .subarray(0, bytes.length & ~1)
        .swap16()
        .toString('utf16le')
    : bytes.toString('utf8');
}
