import { createPublicKey, type KeyObject } from 'node:crypto';
import { wipe } from '@openkdh/block-ciphers';
import {
  localDecryptor,
  type OpenedKey,
  openKeyToken,
  parseKeyToken,
  rsaPublicKey,
  Tr34Error,
} from '@openkdh/tr34';
import { Refusal } from '../answer-codes.ts';
import { checkValueHex, keyAlgorithmOf, keyAlgorithms } from '../keys/algorithms.ts';
import { requireSoundKey } from '../keys/key-material.ts';
import { decryptingKeyRule, requireStrength, requireUse, tr34KeyRule } from '../keys/key-rules.ts';
import { requireKnownUsage } from '../keys/key-usages.ts';
import type { NewKeyBlock } from '../lmk/key-block.ts';
import { answer, type Command } from './command.ts';
import { readCrls } from './crl-field.ts';
import { readKeyType, readPrivateKey } from './key-field.ts';
import { readLmkId } from './lmk-field.ts';
import type { CommandScope } from './scope.ts';

/**
 * ZI, an extension: imports a KBPK or KEK by TR-34, two passes, in the role of the KRD. The key pair is one of EI, its
 * certificate was requested by QE, the nonce came from ZR, and the KDH has a certificate of an installed authority.
 * Usage, algorithm, mode and exportability are those of the header that the KDH signed. Answer: key under the LMK, KCV.
 *
 * 17: no authority of KDHs is installed, or the import is not granted. 49: the private key is not that of the KRD
 * certificate. A4 for every fault of the token, its signer, CRL or nonce: what was wrong is in this process' log alone.
 * A nonce is used up by the first token that names it and is signed by the KDH, whatever becomes of it.
 *
 * `ZI` FFF KRD certificate DER, KDH certificate DER, KT_KDH DER, number of CRLs[1N] CRLs DER, 99 FFFF private key
 * [%LMK id]. The CRL of the KDH's issuer stands in the token or here.
 */
export const zi: Command = {
  name: 'import a key by TR-34',
  kind: 'key',
  prepare(fields) {
    readKeyType(fields);
    const krdCertificate = fields.der('KRD certificate');
    const kdhCertificate = fields.der('KDH certificate');
    const token = fields.der('KT_KDH');
    const crls = readCrls(fields);
    const privateKeyBlock = readPrivateKey(fields);
    const lmkId = readLmkId(fields);

    return async (scope) => {
      const lmk = scope.lmk(lmkId);
      const privateKey = scope.openPrivateKey(decryptingKeyRule, lmk, privateKeyBlock);
      const opened = await open(scope, { krdCertificate, kdhCertificate, token, crls }, privateKey);
      try {
        const header = headerOf(opened);
        requireUse(header, tr34KeyRule);
        requireKnownUsage(header.keyUsage, header.algorithm, header.modeOfUse);
        const algorithm = keyAlgorithmOf(header.algorithm, opened.key.length)!; // the token was refused otherwise
        requireStrength(carrierOf(token), algorithm);
        requireSoundKey(algorithm, opened.key);
        scope.requireGrant('import', header.keyUsage, lmk);
        const underLmk = scope.wrapUnderLmk(lmk, header, algorithm, opened.key);
        return answer(underLmk, checkValueHex(algorithm, opened.key));
      } finally {
        wipe(opened.key);
      }
    };
  },
};

interface Tr34Import {
  krdCertificate: Uint8Array;
  kdhCertificate: Uint8Array;
  token: Uint8Array;
  crls: readonly Uint8Array[];
}

async function open(
  { hsm, outstandingNonces }: CommandScope,
  { krdCertificate, kdhCertificate, token, crls }: Tr34Import,
  privateKey: KeyObject,
): Promise<OpenedKey> {
  const trust = hsm.authorities.trust('KDH', crls, hsm.now());
  try {
    requirePair(krdCertificate, privateKey);
    const krd = { certificate: krdCertificate, kdhCertificate, trust };
    const opened = await openKeyToken(token, krd, localDecryptor(privateKey), { nonces: outstandingNonces });
    hsm.authorities.note(opened);
    return opened;
  } catch (error) {
    if (error instanceof Tr34Error) throw new Refusal('A4', `${error.code}: ${error.message}`);
    throw error;
  }
}

function requirePair(certificate: Uint8Array, privateKey: KeyObject): void {
  const own = createPublicKey(privateKey).export({ format: 'der', type: 'pkcs1' });
  if (!own.equals(rsaPublicKey(certificate))) {
    throw new Refusal('49', 'the private key is not that of the KRD certificate');
  }
}

/** Optional blocks of the header are left behind: none of them is for a wrapping key. */
function headerOf({ header, usage, algorithm, modeOfUse, exportability }: OpenedKey): NewKeyBlock {
  const keyVersion = header.slice(9, 11);
  return { keyUsage: usage, algorithm, modeOfUse, keyVersion, exportability, optionalBlocks: [] };
}

/** The content cipher that the key came under; what RSA-2048 may carry is said at B8. */
function carrierOf(token: Uint8Array) {
  return parseKeyToken(token).envelopedData.cipher === 'aes-128-cbc' ? keyAlgorithms.A1 : keyAlgorithms.T3;
}
