import { Refusal } from '../answer-codes.ts';
import type { FieldReader } from '../wire/fields.ts';

/** `0` binary, `1` hex. */
export type DataFormat = '0' | '1';

/** Data of M0 to M8, at most what fits the I/O buffer. */
export function readDataFormat(fields: FieldReader, name: string, code: Refusal['code']): DataFormat {
  return fields.choice<DataFormat>(['0', '1'], name, code);
}

/**
 * length[4H] data. The length counts the characters of the field, as older frames and recorded answers do; three
 * newer frames count the bytes of hex data. Unconfirmed.
 */
export function readData(fields: FieldReader, format: DataFormat): Buffer {
  const length = fields.hexNumber(4, 'data length');
  return format === '0' ? fields.bytes(length, 'data') : fromHex(fields.hex(length, 'data'));
}

/** length[4H] data, in an answer. */
export function dataField(data: Uint8Array, format: DataFormat): Buffer {
  const field = format === '0' ? data : Buffer.from(toHex(data), 'latin1');
  const length = field.length.toString(16).toUpperCase().padStart(4, '0');
  return Buffer.concat([Buffer.from(length, 'latin1'), field]);
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').toUpperCase();
}

function fromHex(text: string): Buffer {
  if (text.length % 2 !== 0) throw new Refusal('15', 'data: an even number of hexadecimal digits expected');
  return Buffer.from(text, 'hex');
}
