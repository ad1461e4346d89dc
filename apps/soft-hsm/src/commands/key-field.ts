import { Refusal } from '../answer-codes.ts';
import type { FieldReader } from '../wire/fields.ts';

/**
 * Key schemes of single keys without a key block. Their keys are bound to nothing; "key export and import in trusted
 * format only" is a security setting that is always on here.
 */
const schemesWithoutKeyBlock = 'UTXYPQWVK0123456789ABCDEF';

/** Header of a key block, which says its length: version, then 4 digits. */
const headerCharacters = 16;

/** A key under the LMK or a ZMK as a Thales key block: tag S, then as many characters as the block says. No tag. */
export function readSBlock(fields: FieldReader, name: string): string {
  requireTag(fields, 'S', name);
  return fields.text(blockLength(fields, name), name);
}

/** As `readSBlock`, for a block whose body is binary. */
export function readBinarySBlock(fields: FieldReader, name: string): Buffer {
  requireTag(fields, 'S', name);
  return fields.bytes(blockLength(fields, name), name);
}

/** An RSA private key as EI returned it: flag 99, length FFFF (key block LMK), block. 04 for another flag. No tag. */
export function readPrivateKey(fields: FieldReader): Buffer {
  fields.literal('99', 'private key flag', '04');
  fields.literal('FFFF', 'private key length', '78');
  return readBinarySBlock(fields, 'private key');
}

/** A key under a ZMK in a trusted format: R, a TR-31 block, or S, a Thales block. No tag. */
export function readTrustedBlock(fields: FieldReader, name: string): { scheme: 'R' | 'S'; block: string } {
  const scheme = fields.peek() === 'R' ? 'R' : 'S';
  requireTag(fields, scheme, name);
  return { scheme, block: fields.text(blockLength(fields, name), name) };
}

/** Key type of a command under a key block LMK: the block itself says what the key is. */
export function readKeyType(fields: FieldReader): void {
  fields.literal('FFF', 'key type', '28');
}

function requireTag(fields: FieldReader, tag: 'R' | 'S', name: string): void {
  if (fields.takes(tag)) return;
  if (fields.peek() === '' || !schemesWithoutKeyBlock.includes(fields.peek())) {
    throw new Refusal('15', `${name}: a key field expected`);
  }
  throw new Refusal('26', `${name}: key scheme ${fields.peek()} is not a key block`);
}

function blockLength(fields: FieldReader, name: string): number {
  const length = /^[0-9A-Z](\d{4})$/.exec(fields.peek(5))?.[1];
  if (length === undefined || Number(length) < headerCharacters) {
    throw new Refusal('15', `${name}: a key block with its length in characters 2 to 5 expected`);
  }
  return Number(length);
}
