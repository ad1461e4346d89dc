import type {
  CipherRequest,
  GenerateMacRequest,
  HsmCapability,
  LmkKeyBlock,
  VerifyMacRequest,
} from '../hsm.ts';
import { requireData, requireMacLength } from '../request-checks.ts';
import { badRequest, type Command, fields, hexBytes, hexNumber, keyField, lmkIdField } from './command.ts';

/**
 * Data travel as raw bytes (format 0): whether the length field counts the digits or the bytes of hex data is not
 * known for sure.
 */
const BINARY = '0';

/** Key type under a key block LMK: the block itself says what the key is. */
const KEY_TYPE = 'FFF';

/**
 * M0, encrypt, and M2, decrypt. Request: mode 00 (ECB) or 01 (CBC), input and output format, key, IV in hex with CBC,
 * length 4H, data. Answer: with CBC the IV to go on with, which is not needed; length 4H, data.
 */
export function cipherCommand(
  operation: Extract<HsmCapability, 'encrypt' | 'decrypt'>,
  { key, data, iv }: CipherRequest,
  lmkId: number | undefined,
): Command<Uint8Array> {
  requireData(data);
  const keyBlock = keyField(key, 'data key');
  if (iv !== undefined) requireIv(iv, keyBlock);
  return {
    code: operation === 'encrypt' ? 'M0' : 'M2',
    data: fields(
      iv === undefined ? '00' : '01',
      BINARY,
      BINARY,
      KEY_TYPE,
      keyBlock,
      iv === undefined ? '' : hexBytes(iv),
      dataField(data),
      lmkIdField(lmkId),
    ),
    keys: [keyBlock],
    repeatable: true,
    read(answer) {
      if (iv !== undefined) answer.hex(2 * iv.length, 'next IV');
      const length = Number.parseInt(answer.hex(4, 'data length'), 16);
      const result = answer.bytes(length, 'data');
      answer.end();
      return result;
    },
  };
}

/** The algorithm is the eighth character of the block that follows the tag `S`. */
function requireIv({ length }: Uint8Array, keyBlock: LmkKeyBlock): void {
  const expected = keyBlock[8] === 'A' ? 16 : 8;
  if (length !== expected) throw badRequest(`IV: expected ${expected} bytes, got ${length}`);
}

/** Algorithm digit of M6 and M8. */
const macAlgorithms = { 'retail-mac': '3', cmac: '6' } as const;

/** MAC size digit of M6 and M8. */
const macSizes: Readonly<Record<number, string>> = { 4: '0', 8: '1' };

/**
 * M6, generate a MAC. Request: mode 0 (a message as a whole), input format, MAC size, algorithm, padding 1 (zeros),
 * key, length 4H, data. Answer: the MAC in hex.
 */
export function generateMac(
  { macBytes, ...request }: GenerateMacRequest,
  lmkId: number | undefined,
): Command<Uint8Array> {
  return {
    code: 'M6',
    data: fields(macFields(request, macBytes), lmkIdField(lmkId)),
    keys: [request.key],
    repeatable: true,
    read(answer) {
      const mac = Uint8Array.from(Buffer.from(answer.hex(2 * macBytes, 'MAC'), 'hex'));
      answer.end();
      return mac;
    },
  };
}

/** The error code by which M8 says that a MAC does not verify. */
export const MAC_DOES_NOT_VERIFY = '01';

/** M8, verify a MAC. Request: as M6, then the MAC in hex. Answer: nothing. */
export function verifyMac({ mac, ...request }: VerifyMacRequest, lmkId: number | undefined): Command<void> {
  return {
    code: 'M8',
    data: fields(macFields(request, mac.length), hexBytes(mac), lmkIdField(lmkId)),
    keys: [request.key],
    repeatable: true,
    read: (answer) => answer.end(),
  };
}

function macFields(
  { key, algorithm, data }: Omit<GenerateMacRequest, 'macBytes'>,
  macBytes: number,
): Uint8Array {
  requireData(data);
  requireMacLength(macBytes);
  return fields(
    `0${BINARY}${macSizes[macBytes]}${macAlgorithms[algorithm]}1${KEY_TYPE}`,
    keyField(key, 'MAC key'),
    dataField(data),
  );
}

/** length[4H] data */
function dataField(data: Uint8Array): Uint8Array {
  return fields(hexNumber(data.length, 4, 'data length'), data);
}
