import { type Command, decimal, fields, lmkIdField, requireRange } from './command.ts';

/**
 * NC, diagnostics. Answer: LMK check value 16H, firmware 9A. A key block LMK has six digits of check value, then
 * zeros. The LMK id is given because a device was seen to answer for another LMK than the one tied to the port.
 */
export function diagnostics(lmkId: number | undefined): Command<{ lmkCheckValue: string; firmware: string }> {
  return {
    code: 'NC',
    data: fields(lmkIdField(lmkId)),
    keys: [],
    repeatable: true,
    read(answer) {
      const lmkCheckValue = answer.hex(16, 'LMK check value').slice(0, 6);
      const firmware = answer.text(9, 'firmware');
      answer.end();
      return { lmkCheckValue, firmware };
    },
  };
}

/** Bytes of the I/O buffer by NO's digit. */
const ioBufferBytes = [2048, 8192, 16_384, 32_768] as const;

/**
 * NO mode 00, status. Answer: I/O buffer 1N, link 1N, sockets 2N or 4N, firmware 9A, …; only the first is of use to
 * a client, and the fields after it changed with the firmware.
 */
export function ioBufferSize(): Command<number | undefined> {
  return {
    code: 'NO',
    data: fields('00'),
    keys: [],
    repeatable: true,
    read(answer) {
      const bytes = ioBufferBytes[answer.decimal(1, 'I/O buffer')];
      answer.rest();
      return bytes;
    },
  };
}

/** NO mode 01: whether all PCI-HSM settings of the device are compliant. Answer: 1N, 1 = all. */
export function pciHsmCompliance(): Command<boolean> {
  return {
    code: 'NO',
    data: fields('01'),
    keys: [],
    repeatable: true,
    read(answer) {
      const compliant = answer.decimal(1, 'PCI-HSM compliance') === 1;
      answer.rest();
      return compliant;
    },
  };
}

/** The device's own maximum was not verified. */
const MAX_RANDOM_BYTES = 256;

/** N0, random value. Request: length 3N. Answer: that many raw bytes. */
export function random(lengthBytes: number): Command<Uint8Array> {
  requireRange(lengthBytes, 1, MAX_RANDOM_BYTES, 'length of the random value');
  return {
    code: 'N0',
    data: fields(decimal(lengthBytes, 3, 'length of the random value')),
    keys: [],
    repeatable: true,
    read(answer) {
      const bytes = answer.bytes(lengthBytes, 'random value');
      answer.end();
      return bytes;
    },
  };
}

/**
 * ZC, operation count: an extension of the soft HSM, not on a payShield. Answer: the number of key-releasing operations, decimal.
 */
export function operationCount(): Command<bigint> {
  return {
    code: 'ZC',
    data: fields(),
    keys: [],
    repeatable: true,
    read(answer) {
      const count = BigInt(answer.text(20, 'operation count'));
      answer.end();
      return count;
    },
  };
}
