import { wipe } from '@openkdh/block-ciphers';
import { Refusal } from '../answer-codes.ts';
import { curves, generateEcKeyPair } from '../asymmetric/ec-key-pair.ts';
import { readExportability, readKeyVersion, readOptionalBlocks } from './attributes-field.ts';
import { answer, type Command } from './command.ts';
import { readLmkId } from './lmk-field.ts';

/**
 * FY: generates an EC key pair. Answer: length[4N] and SubjectPublicKeyInfo of the public key, private key under the
 * LMK. D2 curve; D3 encoding of the public key; AA a private key that could be exported.
 *
 * `FY01` curve[2N] 03 [%LMK id] # key use[1] key version[2N] exportability[1] optional blocks
 */
export const fy: Command = {
  name: 'generate an EC key pair',
  kind: 'key',
  prepare(fields) {
    fields.literal('01', 'kind of key: elliptic curve', '05');
    const curve = curves[fields.text(2, 'curve')];
    if (curve === undefined) throw new Refusal('D2', 'curve: 00 (P-256), 01 (P-384) or 02 (P-521) expected');
    fields.literal('03', 'public key encoding', 'D3');
    const lmkId = readLmkId(fields);
    fields.literal('#', 'attributes of the private key');
    const modeOfUse = fields.choice(['S', 'X', 'N'], 'key use', 'A8');
    const keyVersion = readKeyVersion(fields);
    if (readExportability(fields) !== 'N') throw new Refusal('AA', 'a private key is not exportable');
    const optionalBlocks = readOptionalBlocks(fields, 8);

    return async (scope) => {
      const lmk = scope.lmk(lmkId);
      const { publicKey, privateKey } = await generateEcKeyPair(curve);
      try {
        const header = {
          keyUsage: '03',
          algorithm: 'E',
          modeOfUse,
          keyVersion,
          exportability: 'N',
          optionalBlocks,
        };
        const block = scope.wrapBinaryUnderLmk(lmk, header, privateKey);
        return answer(String(publicKey.length).padStart(4, '0'), publicKey, block);
      } finally {
        wipe(privateKey);
      }
    };
  },
};
