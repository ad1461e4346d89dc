import { Refusal } from '../answer-codes.ts';
import { readIntegers, signedContent, writeIntegers } from '../rsa/der.ts';
import { readExportability, readKeyVersion, readOptionalBlocks } from './attributes-field.ts';
import { answer, type Command } from './command.ts';
import { readLmkId } from './lmk-field.ts';

/**
 * EO: brings an RSA public key under the LMK, so that EY can trust it. Answer: the public key as a key block. The key
 * block of a public key is not published: here it has the form of a private key block around PKCS#1 RSAPublicKey.
 * 03 encoding; 76 not a public key of 2048 to 4096 bits.
 *
 * `EO` encoding[2N] public key ~ [%LMK id] # mode[1] key version[2N] exportability[1] optional blocks
 */
export const eo: Command = {
  name: 'import a public key',
  audited: true,
  prepare(fields) {
    const encoding = fields.number(2, 'public key encoding');
    if (encoding !== 1 && encoding !== 2) throw new Refusal('03', 'public key encoding: 01 or 02 expected');
    const publicKey = normalised(fields.der('public key'));
    fields.literal('~', 'end of the public key');
    const lmkId = readLmkId(fields);
    fields.literal('#', 'attributes of the public key');
    const modeOfUse = fields.choice(['E', 'N', 'V'], 'mode of use', 'A8');
    const keyVersion = readKeyVersion(fields);
    const exportability = readExportability(fields);
    const optionalBlocks = readOptionalBlocks(fields, 8);

    return (scope) => {
      const header = { keyUsage: '02', algorithm: 'R', modeOfUse, keyVersion, exportability, optionalBlocks };
      return answer(scope.wrapBinaryUnderLmk(scope.hsm.lmks.get(lmkId), header, publicKey));
    };
  },
};

/** The key with proper DER INTEGERs, whatever the encoding it came in. */
function normalised(der: Uint8Array): Buffer {
  const [modulus, exponent, ...others] = (readIntegers(der) ?? []).map(signedContent);
  const bytes = modulus?.length ?? 0;
  if (modulus === undefined || exponent === undefined || others.length > 0 || bytes < 256 || bytes > 513) {
    throw new Refusal('76', 'public key: RSAPublicKey of 2048 to 4096 bits expected');
  }
  return writeIntegers([modulus, exponent]);
}
