import { HsmError } from '../errors.ts';
import type { HsmMasterKey, HsmStatus, HsmTamper } from '../hsm.ts';
import type { AnswerReader } from './answer-reader.ts';
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

/** Stands between two LMKs in the answer of JK, and after the last. */
const [BETWEEN_LMKS, AFTER_LMKS] = ['\x14', '\x15'] as const;

/**
 * JK, status at this moment. Answer: serial number 12A, date 6, time 6, console 1, manager 1, host ports 1 1, reserved
 * 2, tamper state, LMKs loaded 2, of them test 2, old 2, one entry for each LMK, two fraud flags: limits exceeded, PIN
 * attacks exceeded.
 */
export function instantaneousStatus(): Command<HsmStatus> {
  return {
    code: 'JK',
    data: fields(),
    keys: [],
    repeatable: true,
    read(answer) {
      const serialNumber = answer.text(12, 'serial number').trim();
      answer.text(18, 'date, time, state of the ports');
      const tamper = readTamper(answer);
      answer.decimal(6, 'numbers of LMKs');
      const entries = answer.until(AFTER_LMKS, 'LMKs');
      const fraudFlags = answer.text(2, 'fraud flags');
      answer.end();
      const masterKeys = entries === '' ? [] : entries.split(BETWEEN_LMKS).map(readMasterKey);
      return { serialNumber, tamper, masterKeys, fraudDetected: fraudFlags !== '00' };
    },
  };
}

/** State 1N: 0 unknown, 1 no, 2 yes, and then cause 2, date 6, time 6. */
function readTamper(answer: AnswerReader): 'none' | 'unknown' | HsmTamper {
  const state = answer.decimal(1, 'tamper state');
  if (state !== 2) return state === 1 ? 'none' : 'unknown';
  return { cause: answer.text(2, 'cause of the tamper state'), at: answer.text(12, 'date and time') };
}

/** LMK id 2, authorised 1, authorised activities 2, scheme 1, algorithm 1, status 1 (L or T), comment. */
function readMasterKey(entry: string): HsmMasterKey {
  const [, id, activities, status, comment] = /^(\d\d)\d(\d\d)..([LT])([\x20-\x7e]*)$/.exec(entry) ?? [];
  if (id === undefined) {
    throw new HsmError('HSM_BAD_ANSWER', `JK: LMK: expected an entry, got ${entry.length} other characters`, {
      mayHaveExecuted: true,
    });
  }
  return {
    id,
    status: status === 'L' ? 'live' : 'test',
    authorisedActivities: Number(activities),
    comment: comment ?? '',
  };
}
