/** The data plane of the stand-in for AWS Payment Cryptography: encryption and MACs with the keys that it keeps. */
import {
  aes,
  cbcDecrypt,
  cbcEncrypt,
  cmac,
  ecbDecrypt,
  ecbEncrypt,
  retailMac,
  tdes,
} from '@openkdh/block-ciphers';
import { type Json, only, Refused, requireMode, type StoredKey } from './fake-aws.ts';

/** Hex digits of data that one call takes. */
const MAX_HEX_DIGITS = 8192;

/** `key`: the identifier in the path of the request. */
export function dataPlaneCall(
  { operation, key }: { operation: string; key?: string },
  input: Json,
  find: (identifier: unknown) => StoredKey,
): Json {
  switch (operation) {
    case 'EncryptData': {
      only(input, ['PlainText', 'EncryptionAttributes']);
      const stored = find(key);
      requireMode(stored, 'Encrypt');
      return {
        CipherText: toHex(cipher('encrypt', stored, input['PlainText'], input['EncryptionAttributes'])),
      };
    }
    case 'DecryptData': {
      only(input, ['CipherText', 'DecryptionAttributes']);
      const stored = find(key);
      requireMode(stored, 'Decrypt');
      return {
        PlainText: toHex(cipher('decrypt', stored, input['CipherText'], input['DecryptionAttributes'])),
      };
    }
    case 'GenerateMac': {
      only(input, ['KeyIdentifier', 'MessageData', 'MacLength', 'GenerationAttributes']);
      const stored = find(input['KeyIdentifier']);
      requireMode(stored, 'Generate');
      return { Mac: mac(stored, input, input['GenerationAttributes']) };
    }
    case 'VerifyMac': {
      only(input, ['KeyIdentifier', 'MessageData', 'MacLength', 'Mac', 'VerificationAttributes']);
      const stored = find(input['KeyIdentifier']);
      requireMode(stored, 'Verify');
      if (mac(stored, input, input['VerificationAttributes']) !== input['Mac'])
        throw new Refused('VerificationFailedException', 'INVALID_MAC');
      return {};
    }
    default:
      throw new Refused('UnknownOperationException', operation);
  }
}

function cipher(
  direction: 'encrypt' | 'decrypt',
  { key, attributes }: StoredKey,
  data: unknown,
  how: unknown,
): Uint8Array {
  const { Mode, InitializationVector } = (how as { Symmetric: Record<string, string> }).Symmetric;
  const keyed = (isAes(attributes) ? aes : tdes)(key!);
  const bytes = fromHex(data);
  if (bytes.length % keyed.blockBytes !== 0) throw new Refused('ValidationException', 'not whole blocks');
  if (Mode === 'ECB') return (direction === 'encrypt' ? ecbEncrypt : ecbDecrypt)(keyed, bytes);
  if (Mode !== 'CBC') throw new Refused('ValidationException', 'Mode');
  return (direction === 'encrypt' ? cbcEncrypt : cbcDecrypt)(keyed, fromHex(InitializationVector), bytes);
}

function mac({ key, attributes }: StoredKey, input: Json, how: unknown): string {
  const { Algorithm } = how as { Algorithm: string };
  const data = fromHex(input['MessageData']);
  const usage = { CMAC: 'TR31_M6_', ISO9797_ALGORITHM3: 'TR31_M3_' }[Algorithm];
  if (usage === undefined || !attributes.KeyUsage.startsWith(usage))
    throw new Refused('ValidationException', 'the key is for another algorithm');
  const whole = Algorithm === 'CMAC' ? cmac(aes(key!), data) : retailMac(key!, data);
  return toHex(whole.subarray(0, Number(input['MacLength'])));
}

function isAes({ KeyAlgorithm }: StoredKey['attributes']): boolean {
  return KeyAlgorithm.startsWith('AES');
}

function fromHex(text: unknown): Uint8Array {
  if (typeof text !== 'string' || text.length > MAX_HEX_DIGITS || !/^([0-9A-F]{2})+$/.test(text))
    throw new Refused('ValidationException', 'expected hex');
  return Uint8Array.from(Buffer.from(text, 'hex'));
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').toUpperCase();
}
