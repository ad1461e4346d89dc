/** DER, X.690, against node-forge's parser and against itself. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import forge from 'node-forge';
import { bytes, hex } from '../test/pki.ts';
import {
  bitStringOctets,
  concat,
  DerReader,
  derOrder,
  encode,
  octetString,
  oid,
  oidOf,
  openDer,
  readDer,
  sequence,
  setOf,
  smallInteger,
  smallIntegerOf,
  tags,
  time,
  timeOf,
} from './der.ts';
import { oids } from './oids.ts';

const malformed = expect.objectContaining({ code: 'TR34_MALFORMED' });
const read = (input: string, tag: number) => readDer(bytes(input), tag, 'test');

describe('X.690 8.1.3, 10.1: lengths', () => {
  test.each([0, 1, 127, 128, 255, 256, 65_535, 65_536])('%d bytes', (length) => {
    const encoded = octetString(new Uint8Array(length));
    const parsed = forge.asn1.fromDer(Buffer.from(encoded).toString('latin1'));
    expect((parsed.value as string).length).toBe(length);
    expect(readDer(encoded, tags.octetString, 'test').content.length).toBe(length);
  });

  test.each([
    ['indefinite', '3080020100 0000'],
    ['in more octets than it needs', '30 8103 020100'],
    ['with a leading zero', `04820080${'00'.repeat(128)}`],
    ['in five octets', '30 850000000003 020100'],
    ['cut off', '3082'],
    ['longer than the input', '3004020100'],
    ['shorter than the input', '3003020100 00'],
    ['missing', '30'],
    ['of nothing', ''],
  ])('%s is refused', (_, input) => {
    expect(() =>
      read(input.replaceAll(' ', ''), input.startsWith('04') ? tags.octetString : tags.sequence),
    ).toThrow(malformed);
  });
});

test('X.690 8.1.2.4: a tag of several octets is refused', () => {
  expect(() => new DerReader(bytes('3F8101020100'), 'test').any('field')).toThrow(malformed);
});

test('X.690 8.19: object identifiers', () => {
  for (const dotted of [...Object.values(oids), '0.9.2342', '1.3.6.1.4.1.32473.34.1.1', '2.999.3']) {
    const encoded = oid(dotted);
    expect(oidOf(readDer(encoded, tags.oid, 'test'))).toBe(dotted);
  }
  expect(hex(oid(oids.data))).toBe('06092A864886F70D010701');
});

test.each([
  ['empty', '0600'],
  ['cut off in an arc', '06022A86'],
  ['with an arc of 64 bits', '060B2AFFFFFFFFFFFFFFFFFF7F'],
  ['that is an INTEGER', '02012A'],
])('an object identifier %s is refused', (_, input) => {
  expect(() => oidOf(new DerReader(bytes(input), 'test').any('field'))).toThrow(malformed);
});

test('X.690 8.3: small INTEGERs', () => {
  for (const value of [0, 1, 3, 127]) {
    expect(smallIntegerOf(readDer(smallInteger(value), tags.integer, 'test'))).toBe(value);
  }
  for (const input of ['0200', '020180', '02020001', '040101']) {
    expect(() => smallIntegerOf(new DerReader(bytes(input), 'test').any('field'))).toThrow(malformed);
  }
});

describe('RFC 5280, 4.1.2.5: times', () => {
  test.each([
    ['1950-01-01T00:00:00Z', tags.utcTime],
    ['1999-12-31T23:59:59Z', tags.utcTime],
    ['2000-02-29T00:00:00Z', tags.utcTime],
    ['2049-12-31T23:59:59Z', tags.utcTime],
    ['2050-01-01T00:00:00Z', tags.generalizedTime],
    ['1949-12-31T23:59:59Z', tags.generalizedTime],
  ])('%s', (iso, tag) => {
    const encoded = time(new Date(iso));
    expect(encoded[0]).toBe(tag);
    expect(timeOf(readDer(encoded, tag, 'test'))).toEqual(new Date(iso));
  });

  test.each([
    '260231000000Z',
    '261301000000Z',
    '260101240000Z',
    '260101006000Z',
    '2601010000Z',
    '260101000000+0000',
    '',
  ])('UTCTime %s is refused', (text) => {
    expect(() => timeOf(readDer(encode(tags.utcTime, Buffer.from(text)), tags.utcTime, 'test'))).toThrow(
      malformed,
    );
  });

  test('any second to the year 9999', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1_000_000_000, max: 250_000_000_000 }), (seconds) => {
        const date = new Date(seconds * 1000);
        expect(timeOf(new DerReader(time(date), 'test').any('time'))).toEqual(date);
      }),
    );
  });
});

test('X.690 11.6: SET OF is sorted, a shorter one padded with zeros', () => {
  const members = ['0500', '0201FF', '020100', '30030201FF', '3000'].map(bytes);
  expect(derOrder(members).map(hex)).toEqual(['020100', '0201FF', '0500', '3000', '30030201FF']);
  expect(hex(setOf(...members))).toBe(`310F${derOrder(members).map(hex).join('')}`);
});

test('X.690 8.6: a BIT STRING has whole octets here', () => {
  expect(hex(bitStringOctets(readDer(bytes('0303000102'), tags.bitString, 'test')))).toBe('0102');
  for (const input of ['03020101', '0300', '04020001']) {
    expect(() => bitStringOctets(new DerReader(bytes(input), 'test').any('field'))).toThrow(malformed);
  }
});

test('a refusal names the structure and the field, and no byte of the content', () => {
  const reader = openDer(sequence(octetString(bytes('C0FFEE'))), tags.sequence, 'Outer');
  expect(() => reader.next(tags.integer, 'version')).toThrow('Outer.version: expected tag 02, got tag 04');
  reader.any('first');
  expect(() => reader.next(tags.integer, 'second')).toThrow('Outer.second: expected tag 02, got the end');
  expect(() => openDer(sequence(smallInteger(1)), tags.sequence, 'Outer').end()).toThrow(
    'Outer: 3 bytes follow',
  );
});

test('what is read is a view into the input, exactly as encoded', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 }), (contents) => {
      const members = contents.map((content) => octetString(content));
      const reader = openDer(sequence(...members), tags.sequence, 'test');
      expect(concat(...reader.rest(tags.octetString, 'member').map((member) => member.bytes))).toEqual(
        concat(...members),
      );
    }),
  );
});
