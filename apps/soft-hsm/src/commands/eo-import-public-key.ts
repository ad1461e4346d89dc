import { Refusal } from '../answer-codes.ts';
import { readIntegers, signedContent, writeIntegers } from '../asymmetric/der.ts';
import { type AsymmetricAlgorithm, importPublicKey } from '../asymmetric/keys.ts';
import { readExportability, readKeyVersion, readOptionalBlocks } from './attributes-field.ts';
import { answer, type Command } from './command.ts';
import { readLmkId } from './lmk-field.ts';

/**
 * EO: brings a public key under the LMK, so that EY can trust it. Answer: the public key as a key block. The key block
 * of a public key is not published: here it has the form of a private key block around PKCS#1 RSAPublicKey (encodings
 * 01 and 02), or around SubjectPublicKeyInfo of an EC key (encoding 03, as FY gives it). 03 encoding; 76 not a public
 * key of RSA with 2048 to 4096 bits, or on the curves P-256, P-384, P-521.
 *
 * `EO` encoding[2N] public key ~ [%LMK id] # mode[1] key version[2N] exportability[1] optional blocks
 */
export const eo: Command = {
  name: 'import a public key',
  kind: 'key',
  prepare(fields) {
    const encoding = fields.number(2, 'public key encoding');
    if (encoding < 1 || encoding > 3) throw new Refusal('03', 'public key encoding: 01, 02 or 03 expected');
    const algorithm = encoding === 3 ? 'E' : 'R';
    const publicKey = publicKeyIn(algorithm, fields.der('public key'));
    fields.literal('~', 'end of the public key');
    const lmkId = readLmkId(fields);
    fields.literal('#', 'attributes of the public key');
    const modeOfUse = fields.choice(['E', 'N', 'V'], 'mode of use', 'A8');
    const keyVersion = readKeyVersion(fields);
    const exportability = readExportability(fields);
    const optionalBlocks = readOptionalBlocks(fields, 8);

    return (scope) => {
      const header = { keyUsage: '02', algorithm, modeOfUse, keyVersion, exportability, optionalBlocks };
      return answer(scope.wrapBinaryUnderLmk(scope.lmk(lmkId), header, publicKey));
    };
  },
};

/** The key in the form that its key block keeps, whatever the encoding it came in. */
function publicKeyIn(algorithm: AsymmetricAlgorithm, der: Uint8Array): Uint8Array {
  if (algorithm === 'E') {
    const { asymmetricKeyType, asymmetricKeyDetails } = importPublicKey('E', der);
    const known = ['prime256v1', 'secp384r1', 'secp521r1'].includes(asymmetricKeyDetails?.namedCurve ?? '');
    if (asymmetricKeyType !== 'ec' || !known)
      throw new Refusal('76', 'public key: not on a curve of this HSM');
    return der;
  }
  const [modulus, exponent, ...others] = (readIntegers(der) ?? []).map(signedContent);
  const bytes = modulus?.length ?? 0;
  if (modulus === undefined || exponent === undefined || others.length > 0 || bytes < 256 || bytes > 513) {
    throw new Refusal('76', 'public key: RSAPublicKey of 2048 to 4096 bits expected');
  }
  return writeIntegers([modulus, exponent]);
}
