import {
  aes,
  type BlockCipher,
  cbcEncrypt,
  cmac,
  des,
  equalConstantTime,
  tdes,
} from '@openkdh/block-ciphers';
import { Refusal } from '../answer-codes.ts';
import { algorithmAt } from '../lmk/key-block.ts';
import type { FieldReader } from '../wire/fields.ts';
import { answer, type Command } from './command.ts';
import { readData, readDataFormat, toHex } from './data-fields.ts';
import { readKeyType, readSBlock } from './key-field.ts';
import { readLmkId } from './lmk-field.ts';
import type { CommandScope } from './scope.ts';

/**
 * M6 and M8: a message authentication code over a message that may come in several commands. 02 mode; 03 input format;
 * 04 MAC size; 05 algorithm; 06 data that are empty, or not whole cipher blocks where more follow; 09 padding.
 *
 * mode[1] input format[1] MAC size[1] algorithm[1] padding[1] FFF key [IV] length[4H] data
 */

/** `M6` fields [%LMK id]. Answer: the MAC, or in modes 1 and 2 the IV of the next command. */
export const m6: Command = {
  name: 'generate a MAC',
  kind: 'key',
  prepare(fields) {
    const message = readMessage(fields);
    const lmkId = readLmkId(fields);
    return (scope) => answer(macOrState(scope, message, lmkId, 'CGN'));
  },
};

/** `M8` fields MAC [%LMK id]. 01: the MAC does not verify. Answer: nothing, or in modes 1 and 2 the next IV. */
export const m8: Command = {
  name: 'verify a MAC',
  kind: 'key',
  prepare(fields) {
    const message = readMessage(fields);
    const mac = message.last ? fields.hex(message.macDigits, 'MAC') : undefined;
    const lmkId = readLmkId(fields);
    return (scope) => {
      const computed = macOrState(scope, message, lmkId, 'CVN');
      if (mac === undefined) return answer(computed);
      if (!equalConstantTime(Buffer.from(computed), Buffer.from(mac))) {
        throw new Refusal('01', 'the MAC does not verify');
      }
      return answer();
    };
  },
};

/** MAC algorithms by their field; each takes the keys whose usage names it. */
const macAlgorithms = {
  /** ISO 9797-1 algorithm 1, TDES on every block (recomputed from a recording). */
  '1': { usages: ['M0', 'M1'], letter: 'T' },
  /** ISO 9797-1 algorithm 3, retail MAC. */
  '3': { usages: ['M3'], letter: 'T' },
  /** CBC-MAC with AES. */
  '5': { usages: ['M5'], letter: 'A' },
  /** CMAC, NIST SP 800-38B; of a whole message only, and without the padding of the others. */
  '6': { usages: ['M6'], letter: 'A' },
} as const;
type MacAlgorithm = keyof typeof macAlgorithms;

interface MessagePart {
  algorithm: MacAlgorithm;
  macDigits: 8 | 16;
  keyBlock: string;
  iv: Buffer;
  data: Buffer;
  /** Whether the message ends here. */
  last: boolean;
}

function readMessage(fields: FieldReader): MessagePart {
  const mode = fields.choice(['0', '1', '2', '3'], 'mode: only, first, middle or last part', '02');
  const last = mode === '0' || mode === '3';
  const format = readDataFormat(fields, 'input format', '03');
  const macDigits = fields.choice(['0', '1'], 'MAC size', '04') === '0' ? 8 : 16;
  const algorithm = fields.choice<MacAlgorithm>(['1', '3', '5', '6'], 'MAC algorithm', '05');
  if (algorithm === '6' && mode !== '0') throw new Refusal('02', 'mode: CMAC takes a message as a whole');
  fields.choice(['1'], 'padding: zeros', '09');
  readKeyType(fields);
  const keyBlock = readSBlock(fields, 'MAC key');
  const blockBytes = keyBlock.charAt(algorithmAt) === 'A' ? 16 : 8;
  const chained = mode === '2' || mode === '3';
  const iv = chained ? Buffer.from(fields.hex(2 * blockBytes, 'IV'), 'hex') : Buffer.alloc(blockBytes);
  const data = readData(fields, format);
  if (data.length === 0 || (!last && data.length % blockBytes !== 0)) {
    throw new Refusal(
      '06',
      `data: ${last ? 'at least one byte' : 'whole cipher blocks'} expected, got ${data.length}`,
    );
  }
  return { algorithm, macDigits, keyBlock, iv, data, last };
}

/** The MAC as the answer has it, or the chaining value where the message goes on. */
function macOrState(
  scope: CommandScope,
  message: MessagePart,
  lmkId: string | undefined,
  modes: string,
): string {
  const { algorithm, macDigits, keyBlock, last } = message;
  const { usages, letter } = macAlgorithms[algorithm];
  const rule = { role: 'MAC key', usages, algorithms: letter, modes };
  const { key } = scope.openFor(rule, scope.lmk(lmkId), keyBlock);
  return last ? toHex(macOf(message, key)).slice(0, macDigits) : toHex(chain(message, key));
}

function macOf(message: MessagePart, key: Uint8Array): Uint8Array {
  if (message.algorithm === '6') return using(aes(key), (cipher) => cmac(cipher, message.data));
  const state = chain(message, key);
  if (message.algorithm === '3') {
    // After single DES with the first key: decrypt with the second, encrypt with the last.
    using(des(key.subarray(8, 16)), (cipher) => cipher.decryptBlock(state, 0, state, 0));
    using(des(key.length === 24 ? key.subarray(16) : key.subarray(0, 8)), (cipher) =>
      cipher.encryptBlock(state, 0, state, 0),
    );
  }
  return state;
}

/** CBC over the data, filled with zeros to whole blocks: the last block. */
function chain({ algorithm, iv, data }: MessagePart, key: Uint8Array): Uint8Array {
  const cipher = algorithm === '5' ? aes(key) : algorithm === '3' ? des(key.subarray(0, 8)) : tdes(key);
  const padded = Buffer.alloc(Math.ceil(data.length / iv.length) * iv.length);
  padded.set(data);
  return using(cipher, () => cbcEncrypt(cipher, iv, padded).subarray(-iv.length));
}

function using<T>(cipher: BlockCipher, action: (cipher: BlockCipher) => T): T {
  try {
    return action(cipher);
  } finally {
    cipher.wipe();
  }
}
