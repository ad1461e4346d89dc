import type {
  ExportedKey,
  ExportInitialKeyRequest,
  ExportKeyRequest,
  GenerateKeyRequest,
  ImportKeyRequest,
  KeyAlgorithm,
  LmkKeyBlock,
  WrappedKey,
} from '../hsm.ts';
import { requireInitialKeyHeader } from '../initial-key-block.ts';
import { initialKsnHex } from '../initial-ksn.ts';
import type { AnswerReader } from './answer-reader.ts';
import {
  badRequest,
  type Command,
  decimal,
  fields,
  keyField,
  lmkIdField,
  optionalBlockFields,
  requireRange,
} from './command.ts';

/** Key type under a key block LMK: the block itself says what the key is. */
const KEY_TYPE = 'FFF';

/** Algorithm field of the `#` group of A0. */
const algorithmFields = { T2: 'T2', T3: 'T3', A128: 'A1', A192: 'A2', A256: 'A3' } as const satisfies Record<
  KeyAlgorithm,
  string
>;

/** A0 mode 0, generate a key. Answer: key, KCV. */
export function generateKey(request: GenerateKeyRequest, lmkId: number | undefined): Command<WrappedKey> {
  const { usage, modeOfUse, exportability } = request;
  if (!/^[0-9A-Z]{2}$/.test(usage)) throw badRequest('key usage: expected two characters of 0-9 and A-Z');
  if (!/^[A-Z]$/.test(modeOfUse)) throw badRequest('mode of use: expected one letter');
  return {
    code: 'A0',
    data: fields(
      `0${KEY_TYPE}S`,
      lmkIdField(lmkId),
      `#${usage}${algorithmFields[request.algorithm]}${modeOfUse}00${exportability}`,
      optionalBlockFields(request.optionalBlocks ?? []),
    ),
    keys: [],
    repeatable: false,
    read: readWrappedKey,
  };
}

/**
 * Master key type digit of A0 by the usage in the BDK's block. In the recorded exchanges a device took the digit 2
 * with usage B0; the digit that belongs to the usage is sent here.
 */
const bdkTypes: Record<string, string> = { B0: '1', '41': '2', '42': '3', '43': '4' };

/**
 * A0 mode B, derive a DUKPT initial key and export it. Request: derive mode 0 (DUKPT), master key type, BDK, KSN,
 * KBPK, export scheme R. Answer: key under the LMK, which is not needed, TR-31 block with tag R, KCV.
 *
 * Exportability N is asked for as the device does it: the key under the LMK is sensitive, the exported copy is
 * modified to N (`&N`), since a key that is N from the start cannot be exported.
 */
export function exportInitialKey(
  request: ExportInitialKeyRequest,
  lmkId: number | undefined,
): Command<ExportedKey> {
  const bdk = keyField(request.bdk, 'BDK');
  const kbpk = keyField(request.kbpk, 'KBPK');
  const bdkType = bdkTypes[bdk.slice(6, 8)];
  if (bdkType === undefined) throw badRequest('BDK: expected key usage B0, 41, 42 or 43');
  const lmkExportability = request.exportability === 'N' ? 'S' : request.exportability;
  return {
    code: 'A0',
    data: fields(
      `B${KEY_TYPE}S0${bdkType}`,
      bdk,
      initialKsnField(request.scheme, request.initialKsn),
      kbpk,
      'R',
      lmkIdField(lmkId),
      `#B1${algorithmFields[request.algorithm]}X00${lmkExportability}`,
      optionalBlockFields(request.optionalBlocks),
      request.exportability === 'N' ? '&N' : '',
      `!${request.versionId}`,
    ),
    keys: [bdk, kbpk],
    repeatable: true,
    read(answer) {
      answer.keyBlock('S', 'key under the LMK');
      const exported = readExportedKey(answer);
      requireInitialKeyHeader(exported.keyBlock, request);
      return exported;
    },
  };
}

/**
 * KSN field of A0. AES: BDK id and derivation id, 16H. TDES: 15H, so that of the 60 bits written the last is a
 * counter bit, and zero.
 */
function initialKsnField(scheme: 'AES' | 'TDES', ksn: Uint8Array): string {
  return initialKsnHex(scheme, ksn).slice(0, scheme === 'AES' ? 16 : 15);
}

/** A4, form a key from components under the LMK. Request: their number 1N. Answer: key, KCV. */
export function formKeyFromComponents(
  components: readonly LmkKeyBlock[],
  lmkId: number | undefined,
): Command<WrappedKey> {
  requireRange(components.length, 2, 9, 'number of components');
  const keys = components.map((component) => keyField(component, 'component'));
  return {
    code: 'A4',
    data: fields(
      decimal(keys.length, 1, 'number of components'),
      `${KEY_TYPE}S`,
      ...keys,
      lmkIdField(lmkId),
      '#0000',
    ),
    keys,
    repeatable: false,
    read: readWrappedKey,
  };
}

/**
 * A6, import a TR-31 block. Request: KBPK, block with tag R, scheme S. Answer: key under the LMK, KCV.
 * Error code 01 is advice about the parity of the key, which is imported all the same.
 */
export function importKey(request: ImportKeyRequest, lmkId: number | undefined): Command<WrappedKey> {
  const kbpk = keyField(request.kbpk, 'KBPK');
  const { keyBlock } = request;
  if (!/^[A-E]\d{4}[\x20-\x7e]+$/.test(keyBlock) || keyBlock.length !== Number(keyBlock.slice(1, 5))) {
    throw badRequest(`key block: expected a TR-31 block, got ${keyBlock.length} characters of another form`);
  }
  return {
    code: 'A6',
    data: fields(KEY_TYPE, kbpk, 'R', keyBlock, 'S', lmkIdField(lmkId)),
    keys: [kbpk, keyBlock],
    repeatable: false,
    advice: '01',
    read: readWrappedKey,
  };
}

/** A8, export a key. Request: KBPK, key, scheme R, TR-31 version. Answer: TR-31 block with tag R, KCV. */
export function exportKey(request: ExportKeyRequest, lmkId: number | undefined): Command<ExportedKey> {
  const kbpk = keyField(request.kbpk, 'KBPK');
  const key = keyField(request.key, 'key');
  return {
    code: 'A8',
    data: fields(KEY_TYPE, kbpk, key, 'R', lmkIdField(lmkId), `!${request.versionId}`),
    keys: [kbpk, key],
    repeatable: false,
    read: readExportedKey,
  };
}

/** BU, key check value. Request: key type and length from the block, KCV type 1 (6 digits). Answer: KCV 6H. */
export function checkValue(key: LmkKeyBlock, lmkId: number | undefined): Command<string> {
  return {
    code: 'BU',
    data: fields('FFF', keyField(key, 'key'), `;${KEY_TYPE};001`, lmkIdField(lmkId)),
    keys: [key],
    repeatable: true,
    read(answer) {
      const kcv = answer.hex(6, 'KCV');
      answer.end();
      return kcv;
    },
  };
}

function readWrappedKey(answer: AnswerReader): WrappedKey {
  const keyBlock = answer.keyBlock('S', 'key under the LMK');
  const kcv = answer.hex(6, 'KCV');
  answer.end();
  return { keyBlock, kcv };
}

function readExportedKey(answer: AnswerReader): ExportedKey {
  const keyBlock = answer.keyBlock('R', 'exported key').slice(1);
  const kcv = answer.hex(6, 'KCV');
  answer.end();
  return { keyBlock, kcv };
}
