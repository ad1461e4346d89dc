import {
  aes,
  type BlockCipher,
  cbcDecrypt,
  cbcEncrypt,
  ecbDecrypt,
  ecbEncrypt,
  tdes,
  wipe,
} from '@openkdh/block-ciphers';
import { Refusal } from '../answer-codes.ts';
import { bdkRule, dataKeyRule, isBdk } from '../keys/key-rules.ts';
import { algorithmAt, usageOf } from '../lmk/key-block.ts';
import type { Lmk } from '../lmk/lmk.ts';
import type { FieldReader } from '../wire/fields.ts';
import { answer, type Command } from './command.ts';
import { dataField, readData, readDataFormat, toHex } from './data-fields.ts';
import { type DukptUse, deriveDukptKey, readKsn } from './dukpt-key.ts';
import { readKeyType, readSBlock } from './key-field.ts';
import { readLmkId } from './lmk-field.ts';
import type { CommandScope } from './scope.ts';

/**
 * M0, M2, M4: encryption, decryption and translation of data, under a data key or under the key of one transaction of
 * a terminal. Which DUKPT key a payShield takes is not known; here the terminal encrypts with its request key, and
 * decrypts with its response key. 02 mode (00 ECB and 01 CBC are there), 03 input format, 04 output format, 06 data
 * that are not whole cipher blocks.
 */

/** `M0` mode[2N] input format[1] output format[1] FFF key [KSN] [IV] length[4H] data [%LMK id] */
export const m0: Command = {
  name: 'encrypt data',
  kind: 'key',
  prepare: (fields) => crypt(fields, 'E'),
};

/** `M2`, as M0. */
export const m2: Command = {
  name: 'decrypt data',
  kind: 'key',
  prepare: (fields) => crypt(fields, 'D'),
};

function crypt(fields: FieldReader, direction: Direction) {
  const mode = readMode(fields);
  const [input, output] = readFormats(fields);
  const key = readDataKey(fields);
  const iv = mode === 'CBC' ? readIv(fields, key) : undefined;
  const data = readData(fields, input);
  const lmkId = readLmkId(fields);
  return (scope: CommandScope) => {
    const result = transform(scope, scope.lmk(lmkId), { key, iv, direction }, data);
    const ciphertext = direction === 'E' ? result : data;
    return answer(nextIv(iv, ciphertext), dataField(result, output));
  };
}

/** `M4` source mode[2N] destination mode[2N] formats[2] FFF source key [KSN] FFF destination key [KSN] [IVs] data */
export const m4: Command = {
  name: 'translate data',
  kind: 'key',
  prepare(fields) {
    const [sourceMode, destinationMode] = [readMode(fields), readMode(fields)];
    const [input, output] = readFormats(fields);
    const [source, destination] = [readDataKey(fields), readDataKey(fields)];
    const sourceIv = sourceMode === 'CBC' ? readIv(fields, source) : undefined;
    const destinationIv = destinationMode === 'CBC' ? readIv(fields, destination) : undefined;
    const data = readData(fields, input);
    const lmkId = readLmkId(fields);
    return (scope) => {
      const lmk = scope.lmk(lmkId);
      const clear = transform(scope, lmk, { key: source, iv: sourceIv, direction: 'D' }, data);
      try {
        const encrypted = transform(
          scope,
          lmk,
          { key: destination, iv: destinationIv, direction: 'E' },
          clear,
        );
        const ivs = [nextIv(sourceIv, data), nextIv(destinationIv, encrypted)];
        return answer(...ivs, dataField(encrypted, output));
      } finally {
        wipe(clear);
      }
    };
  },
};

/** E encrypts, D decrypts. */
type Direction = 'E' | 'D';

interface DataKey {
  block: string;
  /** Of a BDK. */
  ksn: Buffer | undefined;
}

const dukptUses: Readonly<Record<Direction, DukptUse>> = {
  D: { tdes: 'DATA_REQUEST', aes: 'DATA_ENC' },
  E: { tdes: 'DATA_RESPONSE', aes: 'DATA_DEC' },
};

function readMode(fields: FieldReader): 'ECB' | 'CBC' {
  const mode = fields.text(2, 'mode');
  if (mode !== '00' && mode !== '01') throw new Refusal('02', 'mode: 00 (ECB) or 01 (CBC) expected');
  return mode === '00' ? 'ECB' : 'CBC';
}

function readFormats(fields: FieldReader) {
  return [
    readDataFormat(fields, 'input format', '03'),
    readDataFormat(fields, 'output format', '04'),
  ] as const;
}

function readDataKey(fields: FieldReader): DataKey {
  readKeyType(fields);
  const block = readSBlock(fields, 'data key');
  return { block, ksn: isBdk(usageOf(block)) ? readKsn(fields, block) : undefined };
}

/** 16H under a TDES key, 32H under an AES one. */
function readIv(fields: FieldReader, { block }: DataKey): Buffer {
  return Buffer.from(fields.hex(block.charAt(algorithmAt) === 'A' ? 32 : 16, 'IV'), 'hex');
}

/** What is done with data under one key; without an IV in ECB mode. */
interface Transformation {
  key: DataKey;
  iv: Uint8Array | undefined;
  direction: Direction;
}

function transform(
  scope: CommandScope,
  lmk: Lmk,
  { key: { block, ksn }, iv, direction }: Transformation,
  data: Uint8Array,
): Uint8Array {
  const key = scope.openFor(ksn ? bdkRule : dataKeyRule(direction), lmk, block);
  const dukptKey = ksn && deriveDukptKey(key, ksn, dukptUses[direction]);
  const cipher = (key.algorithm.letter === 'A' ? aes : tdes)(dukptKey ?? key.key);
  try {
    requireWholeBlocks(cipher, data);
    if (direction === 'E') return iv ? cbcEncrypt(cipher, iv, data) : ecbEncrypt(cipher, data);
    return iv ? cbcDecrypt(cipher, iv, data) : ecbDecrypt(cipher, data);
  } finally {
    cipher.wipe();
    wipe(dukptKey);
  }
}

function requireWholeBlocks({ blockBytes }: BlockCipher, data: Uint8Array): void {
  if (data.length === 0 || data.length % blockBytes !== 0) {
    throw new Refusal('06', `data: a multiple of ${blockBytes} bytes expected, got ${data.length}`);
  }
}

/** The IV to go on with, in the answer of a CBC command: the last block of ciphertext. */
function nextIv(iv: Uint8Array | undefined, ciphertext: Uint8Array): string {
  return iv ? toHex(ciphertext.subarray(-iv.length)) : '';
}
