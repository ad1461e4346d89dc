import { equalConstantTime, wipe } from '@openkdh/block-ciphers';
import { Refusal } from '../answer-codes.ts';
import { hmac, hmacAlgorithms } from '../keys/hmac.ts';
import { hmacKeyRule } from '../keys/key-rules.ts';
import { requireKnownUsage } from '../keys/key-usages.ts';
import { usageOf } from '../lmk/key-block.ts';
import type { FieldReader } from '../wire/fields.ts';
import { answer, type Command } from './command.ts';
import { readData, toHex } from './data-fields.ts';
import { readKeyType, readSBlock } from './key-field.ts';
import { readLmkId } from './lmk-field.ts';
import type { CommandScope } from './scope.ts';

/**
 * HMAC, as extensions: a payShield has L0, LQ and LS for it, whose fields no public source tells. The usage of the key
 * block, 61 to 65, names the hash. An HMAC key never leaves: no public trusted format has a form for one of these
 * usages. It has no check value either.
 */

/** `ZG` usage[2] mode[1] [%LMK id]. A new key as long as the hash. Answer: key under the LMK. */
export const zg: Command = {
  name: 'generate an HMAC key',
  kind: 'key',
  prepare(fields) {
    const keyUsage = fields.text(2, 'key usage');
    const modeOfUse = fields.text(1, 'mode of use');
    const lmkId = readLmkId(fields);
    return (scope) => {
      requireKnownUsage(keyUsage, 'H', modeOfUse);
      const lmk = scope.lmk(lmkId);
      const algorithm = hmacAlgorithms[keyUsage]!; // no other usage is known with algorithm H
      const key = scope.hsm.random(algorithm.macBytes);
      try {
        const attributes = { keyUsage, algorithm: 'H', modeOfUse, keyVersion: '00', exportability: 'N' };
        return answer(scope.wrapUnderLmk(lmk, { ...attributes, optionalBlocks: [] }, algorithm, key));
      } finally {
        wipe(key);
      }
    };
  },
};

/** `ZH` FFF key, length[4H] data [%LMK id]. Answer: the whole HMAC in hex. */
export const zh: Command = {
  name: 'generate an HMAC',
  kind: 'key',
  prepare(fields) {
    const message = readMessage(fields);
    const lmkId = readLmkId(fields);
    return (scope) => answer(toHex(macOf(scope, message, lmkId, 'CGN')));
  },
};

/** `ZM` FFF key, length[4H] data, HMAC in hex, whole [%LMK id]. 01: it does not verify. */
export const zm: Command = {
  name: 'verify an HMAC',
  kind: 'key',
  prepare(fields) {
    const message = readMessage(fields);
    const mac = Buffer.from(fields.hex(2 * message.macBytes, 'HMAC'), 'hex');
    const lmkId = readLmkId(fields);
    return (scope) => {
      if (!equalConstantTime(macOf(scope, message, lmkId, 'CVN'), mac)) {
        throw new Refusal('01', 'the HMAC does not verify');
      }
      return answer();
    };
  },
};

interface Message {
  keyBlock: string;
  data: Buffer;
  macBytes: number;
}

/** Refuses with A6 a key that its block does not call an HMAC key. */
function readMessage(fields: FieldReader): Message {
  readKeyType(fields);
  const keyBlock = readSBlock(fields, 'HMAC key');
  const algorithm = hmacAlgorithms[usageOf(keyBlock)];
  if (algorithm === undefined) throw new Refusal('A6', 'HMAC key: usage 61 to 65 expected');
  return { keyBlock, data: readData(fields, '0'), macBytes: algorithm.macBytes };
}

function macOf(
  scope: CommandScope,
  { keyBlock, data }: Message,
  lmkId: string | undefined,
  modes: string,
): Buffer {
  const key = scope.openHmacKey(hmacKeyRule(modes), scope.lmk(lmkId), keyBlock);
  try {
    return hmac(hmacAlgorithms[usageOf(keyBlock)]!, key, data);
  } finally {
    wipe(key);
  }
}
