import { randomBytes } from 'node:crypto';
import { aes, type BlockCipher, tdes, wipe, xor } from '@openkdh/block-ciphers';
import { DukptError, requireLength } from './errors.ts';

/**
 * PIN block formats of ISO 9564-1 that go with DUKPT: 0 and 3 under a TDES key, 4 under an AES key.
 * Formats 0 and 3 are written down from memory of the standard; published vectors confirm 0 and 4.
 */
export type PinBlockFormat = 0 | 3 | 4;

/** Gives the asked number of random bytes. */
export type RandomSource = (bytes: number) => Uint8Array;

/**
 * Encrypts a PIN. Called by a terminal.
 *
 * `pinKey`: 16 or 24 bytes of TDES for formats 0 and 3; 16, 24 or 32 bytes of AES for format 4. `pin`: 4 to 12 digits
 * as the numbers 0 to 9 (`Uint8Array.from('1234', Number)`), so that it can be wiped. `pan`: 8 to 19 digits with the
 * check digit. The block has 8 bytes, in format 4 16. Errors: DUKPT_KEY_LENGTH, DUKPT_PIN, DUKPT_PAN.
 */
export function encryptPinBlock(
  format: PinBlockFormat,
  pinKey: Uint8Array,
  pin: Uint8Array,
  pan: string,
  random: RandomSource = randomBytes,
): Uint8Array {
  requirePinKey(format, pinKey);
  const block = panField(format, pan);
  const pinPart = pinField(format, pin, random);
  const cipher = keyed(format, pinKey);
  try {
    if (format === 4) cipher.encryptBlock(pinPart, 0, pinPart, 0);
    for (let i = 0; i < block.length; i++) block[i]! ^= pinPart[i]!;
    cipher.encryptBlock(block, 0, block, 0);
    return block;
  } finally {
    pinPart.fill(0);
    cipher.wipe();
  }
}

/**
 * Decrypts a PIN block: the digits of the PIN as the numbers 0 to 9, which the caller wipes. Called by the host.
 * One error, DUKPT_PIN_BLOCK, for every block that doesn't hold a PIN: a wrong key, PAN or format looks the same.
 */
export function decryptPinBlock(
  format: PinBlockFormat,
  pinKey: Uint8Array,
  block: Uint8Array,
  pan: string,
): Uint8Array {
  requireLength(block, [format === 4 ? 16 : 8], 'DUKPT_DATA_LENGTH', `PIN block of format ${format}`);
  requirePinKey(format, pinKey);
  const panPart = panField(format, pan);
  const cipher = keyed(format, pinKey);
  const clear = new Uint8Array(block.length);
  let pinPart: Uint8Array | undefined;
  try {
    cipher.decryptBlock(block, 0, clear, 0);
    pinPart = xor(clear, panPart);
    if (format === 4) cipher.decryptBlock(pinPart, 0, pinPart, 0);
    return parsePinField(format, pinPart);
  } finally {
    wipe(clear, pinPart);
    cipher.wipe();
  }
}

function requirePinKey(format: PinBlockFormat, pinKey: Uint8Array): void {
  requireLength(
    pinKey,
    format === 4 ? [16, 24, 32] : [16, 24],
    'DUKPT_KEY_LENGTH',
    `PIN key for format ${format}`,
  );
}

/** AES by node:crypto: for one PIN block its timing safety costs little. */
function keyed(format: PinBlockFormat, pinKey: Uint8Array): BlockCipher {
  return format === 4 ? aes(pinKey, 'openssl') : tdes(pinKey);
}

const pinDigits = 14; // room for digits and fill in 8 bytes, after format and length

/**
 * PIN field: format[½] PIN length[½] digits and fill[7]; in format 4 the fill ends after 16 half bytes, then random[8].
 * Fill: F in format 0, random A to F in format 3, A in format 4.
 */
export function pinField(format: PinBlockFormat, pin: Uint8Array, random: RandomSource): Uint8Array {
  if (pin.length < 4 || pin.length > 12 || pin.some((digit) => digit > 9)) {
    throw new DukptError('DUKPT_PIN', `PIN: expected 4 to 12 digits of 0 to 9, got ${pin.length} bytes`);
  }
  const halfBytes = new Uint8Array(2 + pinDigits);
  halfBytes[0] = format;
  halfBytes[1] = pin.length;
  const fill = format === 3 ? randomFill(random) : new Uint8Array(pinDigits).fill(format === 0 ? 0xf : 0xa);
  halfBytes.set(fill, 2);
  halfBytes.set(pin, 2);
  const field = new Uint8Array(format === 4 ? 16 : 8);
  for (let i = 0; i < 8; i++) field[i] = (halfBytes[2 * i]! << 4) | halfBytes[2 * i + 1]!;
  if (format === 4) field.set(random(8), 8);
  halfBytes.fill(0);
  return field;
}

function parsePinField(format: PinBlockFormat, field: Uint8Array): Uint8Array {
  const halfBytes = new Uint8Array(2 + pinDigits);
  for (let i = 0; i < halfBytes.length; i++) halfBytes[i] = (field[i >>> 1]! >>> (i % 2 === 0 ? 4 : 0)) & 0xf;
  const length = halfBytes[1]!;
  const pin = halfBytes.subarray(2, 2 + length);
  const fill = halfBytes.subarray(2 + length);
  const isFill = (half: number) => (format === 3 ? half >= 0xa : half === (format === 0 ? 0xf : 0xa));
  const holdsPin =
    halfBytes[0] === format &&
    length >= 4 &&
    length <= 12 &&
    pin.every((digit) => digit <= 9) &&
    fill.every(isFill);
  try {
    if (!holdsPin) {
      throw new DukptError('DUKPT_PIN_BLOCK', `no PIN in this block: wrong key, PAN or format ${format}`);
    }
    return new Uint8Array(pin);
  } finally {
    halfBytes.fill(0);
  }
}

/** Random half bytes A to F, from 16 random bits each, so that 6 values come as good as equally often. */
function randomFill(random: RandomSource): Uint8Array {
  const bytes = random(2 * pinDigits);
  return Uint8Array.from(
    { length: pinDigits },
    (_, i) => 0xa + (((bytes[2 * i]! << 8) | bytes[2 * i + 1]!) % 6),
  );
}

/**
 * PAN field. Formats 0 and 3: zero[2] and the last 12 digits before the check digit[6].
 * Format 4: digits beyond 12[½], the PAN filled with zeros on the left to 12 digits, zeros to 16 bytes.
 */
export function panField(format: PinBlockFormat, pan: string): Uint8Array {
  if (!/^[0-9]{8,19}$/.test(pan)) {
    throw new DukptError('DUKPT_PAN', `PAN: expected 8 to 19 digits, got ${pan.length} characters`);
  }
  const digits =
    format === 4
      ? `${Math.max(0, pan.length - 12)}${pan.padStart(12, '0')}`.padEnd(32, '0')
      : pan.slice(-13, -1).padStart(16, '0');
  return new Uint8Array(Buffer.from(digits, 'hex'));
}
