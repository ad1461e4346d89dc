import { sign } from 'node:crypto';
import { formatHeader } from '@openkdh/tr31/header';
import { checkCertificate, exportKey, issuerAndSerialNumber, rsaPublicKey, Tr34Error } from '@openkdh/tr34';
import { Refusal } from '../answer-codes.ts';
import { checkValue, keyAlgorithms } from '../keys/algorithms.ts';
import { requireExportable, requireStrength, signingKeyRule, tr34KeyRule } from '../keys/key-rules.ts';
import { x9143Usage } from '../keys/key-usages.ts';
import type { FieldReader } from '../wire/fields.ts';
import { answerReleasingKey, type Command } from './command.ts';
import { readCrls } from './crl-field.ts';
import { readTr31Version, requireVersionOf } from './export.ts';
import { readKeyType, readPrivateKey, readSBlock } from './key-field.ts';
import { readLmkId } from './lmk-field.ts';
import type { CommandScope } from './scope.ts';

/**
 * B8: exports a KBPK or KEK to one KRD by TR-34, two passes. Answer: signed attributes DER, KCV (3 raw bytes),
 * EnvelopedData DER, signature length[4N], signature; the host puts the CMS together.
 *
 * `B8` TR-34 version[1N] FFF key, KDH id DER, `000001`, KRD id DER, KRD public key DER, `00`, 99 FFFF private key,
 * `010`, nonce length[2H] nonce, [%LMK id] !TR-31 version [~ KRD certificate DER, number of CRLs[1N] CRLs DER]
 *
 * The constants 000001, 00 and 010: meaning not known, taken from the AWS sample. That they do not choose the content
 * cipher is an assumption; here the version does: AES-128 for D, 3DES for A, B and C, so that a terminal without AES
 * can open its KBPK. The `~` group is ours. While authorities of KRDs are installed it has to be there, and the HSM
 * judges the KRD by it, refuses with 17 whom it does not believe, and takes no nonce of a KRD twice. The ids are IssuerAndSerialNumber, the public key is PKCS#1 RSAPublicKey.
 */
export const b8: Command = {
  name: 'export a key by TR-34',
  kind: 'key',
  prepare(fields) {
    fields.literal('0', 'TR-34 version', 'E0');
    readKeyType(fields);
    const keyBlock = readSBlock(fields, 'key');
    const kdh = fields.der('KDH id');
    fields.literal('000001', 'constant after the KDH id');
    const krd = fields.der('KRD id');
    const krdPublicKey = fields.der('KRD public key');
    fields.literal('00', 'constant after the KRD public key');
    const privateKeyBlock = readPrivateKey(fields);
    fields.literal('010', 'constant after the private key');
    const nonceLength = fields.hexNumber(2, 'nonce length');
    if (nonceLength < 8 || nonceLength > 16)
      throw new Refusal('80', `nonce: 8 to 16 bytes expected, got ${nonceLength}`);
    const nonce = fields.bytes(nonceLength, 'nonce');
    const lmkId = readLmkId(fields);
    const versionId = readTr31Version(fields);
    if (versionId === undefined) throw new Refusal('15', 'TR-31 version expected');
    const shown = readKrdCertificate(fields);

    return (scope) => {
      const lmk = scope.lmk(lmkId);
      const { header, algorithm, key } = scope.openFor(tr34KeyRule, lmk, keyBlock);
      const signingKey = scope.openPrivateKey(signingKeyRule('R'), lmk, privateKeyBlock);
      requireExportable(header);
      requireVersionOf(algorithm, versionId);
      const [contentCipher, contentAlgorithm] =
        versionId === 'D'
          ? (['aes-128-cbc', keyAlgorithms.A1] as const)
          : (['des-ede3-cbc', keyAlgorithms.T3] as const);
      requireStrength(contentAlgorithm, algorithm);
      if (scope.hsm.authorities.has('KRD')) requireTrustedKrd(scope, { krd, krdPublicKey, nonce, shown });
      scope.requireGrant('export', header.keyUsage, lmk);
      const keyUsage = x9143Usage(header.keyUsage);
      const tr31Header = { ...header, versionId, keyUsage, keyContext: '0', optionalBlocks: [] };
      try {
        const { authenticatedAttributes, envelopedData, signature } = exportKey(
          { key, header: formatHeader(tr31Header, 0), kdh, krd, krdPublicKey, nonce, contentCipher },
          (bytes) => sign('sha256', bytes, signingKey),
          scope.hsm.random,
        );
        const kcv = checkValue(algorithm.letter, key);
        const length = String(signature.length).padStart(4, '0');
        return answerReleasingKey(authenticatedAttributes, kcv, envelopedData, length, signature);
      } catch (error) {
        if (error instanceof Tr34Error) throw new Refusal('76', error.message);
        throw error;
      }
    };
  },
};

/** What a host shows of the KRD, for this HSM to judge. */
interface ShownKrd {
  certificate: Uint8Array;
  crls: readonly Uint8Array[];
}

function readKrdCertificate(fields: FieldReader): ShownKrd | undefined {
  return fields.takes('~')
    ? { certificate: fields.der('KRD certificate'), crls: readCrls(fields) }
    : undefined;
}

interface NamedKrd {
  krd: Buffer;
  krdPublicKey: Buffer;
  nonce: Uint8Array;
  shown: ShownKrd | undefined;
}

/** Refuses with 17 a KRD that no installed authority stands for, and a nonce that it has used. */
function requireTrustedKrd({ hsm }: CommandScope, { krd, krdPublicKey, nonce, shown }: NamedKrd): void {
  if (shown === undefined) throw new Refusal('17', 'the KRD has to show its certificate');
  const { certificate, crls } = shown;
  try {
    hsm.authorities.note(checkCertificate(certificate, 'KRD', hsm.authorities.trust('KRD', crls, hsm.now())));
    const named =
      krd.equals(issuerAndSerialNumber(certificate)) && krdPublicKey.equals(rsaPublicKey(certificate));
    if (!named) throw new Refusal('17', 'id and public key are not those of the certificate');
  } catch (error) {
    if (error instanceof Tr34Error) throw new Refusal('17', `${error.code}: ${error.message}`);
    throw error;
  }
  if (!hsm.usedNonces.use(krd, nonce)) throw new Refusal('17', 'this KRD has used its nonce');
}
