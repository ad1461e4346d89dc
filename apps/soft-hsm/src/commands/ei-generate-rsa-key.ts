import { wipe } from '@openkdh/block-ciphers';
import { Refusal } from '../answer-codes.ts';
import { readIntegers, unsignedContent, writeIntegers } from '../asymmetric/der.ts';
import { generateRsaKeyPair, type RsaKeyPair } from '../asymmetric/rsa-private-key.ts';
import { readKeyVersion, readOptionalBlocks } from './attributes-field.ts';
import { answer, type Command } from './command.ts';
import { readLmkId } from './lmk-field.ts';

/** Key type indicator and the mode of use that it gives the private key. */
const modesByKeyType: Readonly<Record<string, string>> = {
  '0': 'S', // signature
  '1': 'D', // key management
  '2': 'N', // both
};

/** Strength of a 3DES LMK is 112 bits, that of a modulus of 2048 bits: NIST SP 800-57 part 1, table 2. */
const mostBitsUnderTdesLmk = 2048;

/**
 * EI: generates an RSA key pair with e = 65537. Answer: public key DER, `FFFF`, private key under the LMK.
 * 05 key type; 04 modulus length; 03 encoding of the public key; 06 an exponent of the host's choice; 48 stronger LMK
 * needed; AA a private key that could be exported.
 *
 * `EI` key type[1] modulus bits[4N] encoding[2N] [exponent] [%LMK id] # key version[2N] optional blocks [&N]
 */
export const ei: Command = {
  name: 'generate an RSA key pair',
  kind: 'key',
  prepare(fields) {
    const modeOfUse = modesByKeyType[fields.text(1, 'key type')];
    if (modeOfUse === undefined) throw new Refusal('05', 'key type: 0, 1 or 2 expected');
    const bits = fields.number(4, 'modulus length');
    if (bits < 2048 || bits > 4096 || bits % 8 !== 0) {
      throw new Refusal('04', `modulus length: 2048 to 4096 bits in whole bytes expected, got ${bits}`);
    }
    const encoding = fields.number(2, 'public key encoding');
    if (encoding !== 1 && encoding !== 2) throw new Refusal('03', 'public key encoding: 01 or 02 expected');
    if (/\d/.test(fields.peek())) throw new Refusal('06', 'public exponent: only 65537, which is not given');
    const lmkId = readLmkId(fields);
    fields.literal('#', 'attributes of the private key');
    const keyVersion = readKeyVersion(fields);
    const optionalBlocks = readOptionalBlocks(fields, 8);
    if (fields.takes('&')) fields.literal('N', 'exportability', 'AA');

    return async (scope) => {
      const lmk = scope.lmk(lmkId);
      if (lmk.algorithm === 'TDES-3' && bits > mostBitsUnderTdesLmk) {
        throw new Refusal('48', `a modulus of ${bits} bits needs an AES LMK`);
      }
      const pair = await generateRsaKeyPair(bits).catch((cause) => {
        throw new Refusal('43', `RSA key generation failed: ${cause.code}`);
      });
      try {
        const header = {
          keyUsage: '03',
          algorithm: 'R',
          modeOfUse,
          keyVersion,
          exportability: 'N',
          optionalBlocks,
        };
        const privateKey = scope.wrapBinaryUnderLmk(lmk, header, pair.crt);
        return answer(encode(pair, encoding), 'FFFF', privateKey);
      } finally {
        wipe(pair.crt);
      }
    };
  },
};

/** 01: INTEGERs without a leading zero, which strict readers take as negative. 02: two's complement, proper DER. */
function encode({ publicKey }: RsaKeyPair, encoding: 1 | 2): Uint8Array {
  return encoding === 2 ? publicKey : writeIntegers(readIntegers(publicKey)!.map(unsignedContent));
}
