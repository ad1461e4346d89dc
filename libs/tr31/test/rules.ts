/** Every rule about the header of a key block, by example. */
import { keyBlockText } from '../../../test/support/key-block-text.ts';
import type { FindingCode } from '../src/index.ts';

/** Adds a block PB where version D needs one; `blocks` are short ones as written. */
function padTo16(blocks: string): string {
  const missing = (16 - (blocks.length % 16)) % 16;
  if (missing === 0) return blocks;
  const length = missing < 4 ? missing + 16 : missing;
  return `${blocks}PB${length.toString(16).toUpperCase().padStart(2, '0')}${'0'.repeat(length - 4)}`;
}

function block(id: string, data: string): string {
  return `${id}${(data.length + 4).toString(16).toUpperCase().padStart(2, '0')}${data}`;
}

const withBlock = (attributes: string, id: string, data: string) =>
  keyBlockText({ attributes, optional: padTo16(block(id, data)) });

const good = keyBlockText({});
const bdk = 'B0TX00E';
const initialKey = 'B1TX00E';
const aesInitialKey = 'B1AX00E';
const rsa = 'S0RS00E';
const derivationKey = 'B3AX00E';

/** One block that breaks the rule, one next to it that keeps it, and the characters that the finding points at. */
export const rules: [code: FindingCode, broken: string, kept: string, pointedAt: string][] = [
  ['TR31_CHARACTERS', good.replace('P0', 'P\u00e9'), good, '\u00e9'],
  ['TR31_TOO_SHORT', good.slice(0, 15), good, good.slice(0, 15)],
  ['TR31_VERSION', keyBlockText({ versionId: 'F' }), good, 'F'],
  ['TR31_LENGTH', `D0143${good.slice(5)}`, good, '0143'],
  ['TR31_LENGTH', `D01A4${good.slice(5)}`, good, '01A4'],
  ['TR31_OPTIONAL_COUNT', good.replace('E0000', 'E0A00'), good, '0A'],
  [
    'TR31_OPTIONAL_FRAMING',
    keyBlockText({ optional: 'LB03', count: 1 }),
    withBlock('P0AE00E', 'LB', 'x'),
    'LB03',
  ],
  [
    'TR31_OPTIONAL_FRAMING',
    keyBlockText({ optional: 'LBxx', count: 1 }),
    withBlock('P0AE00E', 'LB', 'x'),
    'LBxx',
  ],
  [
    'TR31_OPTIONAL_MULTIPLE',
    keyBlockText({ optional: block('LB', 'x') }),
    withBlock('P0AE00E', 'LB', 'x'),
    'LB05x',
  ],
  ['TR31_PAYLOAD', `${good.slice(0, -2)}G0`, good, 'G'],
  ['TR31_PAYLOAD', keyBlockText({ keyDataBytes: 47 }), good, '0'.repeat(2 * 47 + 32)],
  ['TR31_PAYLOAD', keyBlockText({ keyDataBytes: 0 }), good, '0'.repeat(32)],
  ['TR31_HEX_LOWER_CASE', `${good.slice(0, -2)}a0`, good, 'a'],
  ['TR31_KEY_USAGE', keyBlockText({ attributes: 'ZZAE00E' }), good, 'ZZ'],
  ['TR31_KEY_USAGE', keyBlockText({ attributes: 'p0AE00E' }), good, 'p0'],
  ['TR31_KEY_USAGE_PROPRIETARY', keyBlockText({ attributes: '10AE00E' }), good, '10'],
  ['TR31_ALGORITHM', keyBlockText({ attributes: 'P0ZE00E' }), good, 'Z'],
  [
    'TR31_ALGORITHM_HMAC_HASH',
    keyBlockText({ attributes: 'M7IG00E' }),
    keyBlockText({ attributes: 'M7HG00E' }),
    'I',
  ],
  ['TR31_MODE', keyBlockText({ attributes: 'P0AZ00E' }), good, 'Z'],
  ['TR31_MODE_PROPRIETARY', keyBlockText({ attributes: 'P0A100E' }), good, '1'],
  [
    'TR31_KEY_VERSION',
    keyBlockText({ attributes: 'P0AE0-E' }),
    keyBlockText({ attributes: 'P0AEc1E' }),
    '0-',
  ],
  [
    'TR31_KEY_VERSION',
    keyBlockText({ attributes: 'P0AEc E' }),
    keyBlockText({ attributes: 'P0AEA7E' }),
    'c ',
  ],
  [
    'TR31_EXPORTABILITY',
    keyBlockText({ attributes: 'P0AE00X' }),
    keyBlockText({ attributes: 'P0AE00S' }),
    'X',
  ],
  [
    'TR31_KEY_CONTEXT',
    keyBlockText({ contextAndReserved: '30' }),
    keyBlockText({ contextAndReserved: '20' }),
    '3',
  ],
  ['TR31_RESERVED', keyBlockText({ contextAndReserved: '01' }), good, '1'],
  ['TR31_MODE_FOR_USAGE', keyBlockText({ attributes: 'P0AV00E' }), good, 'V'],
  [
    'TR31_MODE_UNRESTRICTED',
    keyBlockText({ attributes: 'P0AN00E' }),
    keyBlockText({ attributes: 'I0AN00E' }),
    'N',
  ],
  ['TR31_ALGORITHM_FOR_USAGE', keyBlockText({ attributes: 'P0RE00E' }), good, 'R'],
  [
    'TR31_ALGORITHM_FOR_USAGE',
    keyBlockText({ attributes: 'S0AS00E' }),
    keyBlockText({ attributes: rsa }),
    'A',
  ],
  ['TR31_NOT_OBFUSCATED', keyBlockText({ keyDataBytes: 32 }), good, '0'.repeat(64)],
  ['TR31_OPTIONAL_ID', withBlock('P0AE00E', 'lb', 'x'), withBlock('P0AE00E', 'ZZ', 'x'), 'lb'],
  ['TR31_OPTIONAL_ID', withBlock('P0AE00E', 'L!', 'x'), withBlock('P0AE00E', '9A', 'x'), 'L!'],
  [
    'TR31_OPTIONAL_DUPLICATE',
    keyBlockText({ optional: padTo16(block('LB', 'x') + block('LB', 'y')) }),
    keyBlockText({ optional: padTo16(block('LB', 'x') + block('FL', 'F')) }),
    'LB05y',
  ],
  [
    'TR31_OPTIONAL_EXTENDED_NEEDLESS',
    keyBlockText({ optional: 'LB00040010xxxxxx' }),
    keyBlockText({ optional: `LB00040110${'x'.repeat(262)}` }),
    '00040010',
  ],
  [
    'TR31_OPTIONAL_EXTENDED_NEEDLESS', // 251 characters are the most that the short form holds
    keyBlockText({ optional: `LB00040105${'x'.repeat(251)}PB0B0000000` }),
    keyBlockText({ optional: `LB00040106${'x'.repeat(252)}PB0A123456` }),
    '00040105',
  ],
  [
    'TR31_OPTIONAL_LENGTH_OF_LENGTH',
    keyBlockText({ optional: `LB0003110${'x'.repeat(263)}` }),
    keyBlockText({ optional: `LB00040110${'x'.repeat(262)}` }),
    '03',
  ],
  [
    'TR31_OPTIONAL_LENGTH_IN_BYTES',
    keyBlockText({ optional: `LB00020110${'x'.repeat(262)}`, count: 1 }),
    keyBlockText({ optional: `LB00040110${'x'.repeat(262)}` }),
    '02',
  ],
  [
    'TR31_PADDING_BLOCK_PLACE',
    keyBlockText({ optional: `PB0B0000000${block('LB', 'x')}` }),
    keyBlockText({ optional: `${block('LB', 'x')}PB0B0000000` }),
    'PB0B0000000',
  ],
  [
    'TR31_PADDING_BLOCK_LENGTH',
    keyBlockText({ optional: `${block('LB', 'x')}PB1B${'0'.repeat(23)}` }),
    keyBlockText({ optional: `${block('LB', 'x')}PB0B0000000` }),
    `PB1B${'0'.repeat(23)}`,
  ],
  ['TR31_PADDING_BLOCK_LENGTH', keyBlockText({ optional: 'PB10000000000000' }), good, 'PB10000000000000'],
  [
    'TR31_KS_PRINTABLE',
    withBlock(initialKey, 'KS', 'DE#GBIC#OPT1'),
    withBlock(initialKey, 'KS', '0123456789ABCDE00000'),
    'DE#GBIC#OPT1',
  ],
  [
    'TR31_KS_AES',
    withBlock(aesInitialKey, 'KS', '0123456789ABCDE00000'),
    withBlock(aesInitialKey, 'IK', '0123456789ABCDEF'),
    'KS180123456789ABCDE00000',
  ],

  ['TR31_AL_CONTENT', withBlock(rsa, 'AL', '0102'), withBlock(rsa, 'AL', '0101'), '0102'],
  ['TR31_AL_FIT', withBlock(bdk, 'AL', '0101'), withBlock(rsa, 'AL', '0100'), 'AL080101'],
  ['TR31_BI_CONTENT', withBlock(bdk, 'BI', '02FFFF987654'), withBlock(bdk, 'BI', '00FFFF987654'), '02'],
  ['TR31_BI_CONTENT', withBlock(bdk, 'BI', '00FFFF98765'), withBlock(bdk, 'BI', '00FFFF987654'), 'FFFF98765'],
  [
    'TR31_BI_CONTENT',
    withBlock('B0AX00E', 'BI', '01FFFF98765'),
    withBlock('B0AX00E', 'BI', '01FFFF9876'),
    'FFFF98765',
  ],
  ['TR31_BI_FIT', withBlock('B0AX00E', 'BI', '00FFFF987654'), withBlock('B0AX00E', 'BI', '01FFFF9876'), '00'],
  [
    'TR31_BI_FIT',
    withBlock(initialKey, 'BI', '00FFFF987654'),
    withBlock(bdk, 'BI', '00FFFF987654'),
    'BI1000FFFF987654',
  ],
  ['TR31_CT_CONTENT', withBlock(rsa, 'CT', '03AAAA'), withBlock(rsa, 'CT', '01AAAA'), '03'],
  ['TR31_CT_CONTENT', withBlock(rsa, 'CT', '00AAA'), withBlock(rsa, 'CT', '00AAA='), 'AAA'],
  ['TR31_CT_CONTENT', withBlock(rsa, 'CT', '02'), withBlock(rsa, 'CT', '02000004AAAA'), '02'],
  [
    'TR31_CT_CONTENT',
    withBlock(rsa, 'CT', '02000008AAAA'),
    withBlock(rsa, 'CT', '02000004AAAA010004BBBB'),
    '000008AAAA',
  ],
  ['TR31_CT_FIT', withBlock(bdk, 'CT', '00AAAA'), withBlock(rsa, 'CT', '00AAAA'), 'CT0A00AAAA'],
  [
    'TR31_DA_CONTENT',
    withBlock(derivationKey, 'DA', '02D2ABN'),
    withBlock(derivationKey, 'DA', '01D2ABN'),
    '02',
  ],
  [
    'TR31_DA_CONTENT',
    withBlock(derivationKey, 'DA', '01D2ABND'),
    withBlock(derivationKey, 'DA', '01D2ABND3AEN'),
    'D2ABND',
  ],
  ['TR31_DA_CONTENT', withBlock(derivationKey, 'DA', '01'), withBlock(derivationKey, 'DA', '01D2ABN'), ''],
  [
    'TR31_DA_CONTENT',
    withBlock(derivationKey, 'DA', `01${'D2ABN'.repeat(48)}V2ACN`),
    withBlock(derivationKey, 'DA', `01${'D2ABN'.repeat(49)}`),
    'A',
  ],
  [
    'TR31_DA_CONTENT',
    withBlock(derivationKey, 'DA', '01D2AXN'),
    withBlock(derivationKey, 'DA', '01D2AEN'),
    'X',
  ],
  [
    'TR31_DA_CONTENT',
    withBlock(derivationKey, 'DA', '01D2ABX'),
    withBlock(derivationKey, 'DA', '01D2ABE'),
    'X',
  ],
  ['TR31_DA_FIT', withBlock('B3AX00N', 'DA', '01D2ABE'), withBlock('B3AX00N', 'DA', '01D2ABN'), 'E'],
  ['TR31_DA_FIT', withBlock(bdk, 'DA', '01D2ABN'), withBlock(derivationKey, 'DA', '01D2ABN'), 'DA0B01D2ABN'],
  ['TR31_FL_CONTENT', withBlock(bdk, 'FL', '0g'), withBlock(bdk, 'FL', '0A'), '0g'],
  ['TR31_HM_CONTENT', withBlock('M7HG00E', 'HM', '26'), withBlock('M7HG00E', 'HM', '21'), '26'],
  ['TR31_HM_FIT', withBlock('M6AG00E', 'HM', '21'), withBlock('M7HG00E', 'HM', '41'), 'HM0621'],
  [
    'TR31_IK_CONTENT',
    withBlock(aesInitialKey, 'IK', '0123456789ABCDE'),
    withBlock(aesInitialKey, 'IK', '0123456789ABCDEF'),
    '0123456789ABCDE',
  ],
  [
    'TR31_IK_CONTENT',
    withBlock(aesInitialKey, 'IK', '0123456789abcdef'),
    withBlock(aesInitialKey, 'IK', '0123456789ABCDEF'),
    '0123456789abcdef',
  ],
  [
    'TR31_IK_FIT',
    withBlock(initialKey, 'IK', '0123456789ABCDEF'),
    withBlock(aesInitialKey, 'IK', '0123456789ABCDEF'),
    'IK140123456789ABCDEF',
  ],
  ['TR31_KC_CONTENT', withBlock(bdk, 'KC', '02012345'), withBlock(bdk, 'KC', '00012345'), '02'],
  ['TR31_KC_CONTENT', withBlock(bdk, 'KC', '0001234567'), withBlock(bdk, 'KC', '0101234567'), '01234567'],
  [
    'TR31_KC_CONTENT',
    withBlock(bdk, 'KC', '01012345678901'),
    withBlock(bdk, 'KC', '010123456789'),
    '012345678901',
  ],
  ['TR31_KC_CONTENT', withBlock(bdk, 'KC', '01012'), withBlock(bdk, 'KC', '0101'), '012'],
  ['TR31_KC_FIT', withBlock('P0AE00E', 'KC', '00012345'), withBlock('P0AE00E', 'KC', '01012345'), '00'],
  ['TR31_KC_FIT', withBlock(rsa, 'KC', '01012345'), withBlock('M7HG00E', 'KC', '01012345'), 'KC0C01012345'],
  ['TR31_KP_CONTENT', withBlock(bdk, 'KP', '01'), withBlock(bdk, 'KP', '0101'), ''],
  ['TR31_KP_FIT', withBlock(bdk, 'KP', '00012345'), withBlock(bdk, 'KP', '01012345'), '00'],
  [
    'TR31_KS_CONTENT',
    withBlock(initialKey, 'KS', '00604B120F929280'),
    withBlock(initialKey, 'KS', '00604B120F9292800000'),
    '00604B120F929280',
  ],
  [
    'TR31_KS_CONTENT',
    withBlock(initialKey, 'KS', '00604B120F9292800001'),
    withBlock(initialKey, 'KS', '00604B120F9292A00000'),
    '800001',
  ],
  [
    'TR31_KS_CONTENT',
    withBlock(initialKey, 'KS', '00604b120f9292800000'),
    withBlock(initialKey, 'KS', '00604B120F9292800000'),
    '00604b120f9292800000',
  ],
  [
    'TR31_KS_FIT',
    withBlock('P0TE00E', 'KS', '00604B120F9292800000'),
    withBlock(bdk, 'KS', '00604B120F9292800000'),
    'KS1800604B120F9292800000',
  ],
  ['TR31_KV_CONTENT', withBlock(bdk, 'KV', '010'), withBlock(bdk, 'KV', '0100'), '010'],
  ['TR31_LB_CONTENT', withBlock(bdk, 'LB', ''), withBlock(bdk, 'LB', 'x'), 'LB04'],
  ['TR31_PK_CONTENT', withBlock(bdk, 'PK', '03012345'), withBlock(bdk, 'PK', '00012345'), '03'],
  [
    'TR31_TC_CONTENT',
    withBlock(bdk, 'TC', '20210229000000Z'),
    withBlock(bdk, 'TC', '20200229000000Z'),
    '20210229000000Z',
  ],
  [
    'TR31_TC_CONTENT',
    withBlock(bdk, 'TC', '20200229240000Z'),
    withBlock(bdk, 'TC', '2020022923595999Z'),
    '20200229240000Z',
  ],
  [
    'TR31_TS_CONTENT',
    withBlock(bdk, 'TS', '2018-06-18T20:42:39'),
    withBlock(bdk, 'TS', '2018-06-18T20:42:39Z'),
    '2018-06-18T20:42:39',
  ],
  [
    'TR31_TS_CONTENT',
    withBlock(bdk, 'TS', '2018-06-31T20:42:39Z'),
    withBlock(bdk, 'TS', '2018-06-30T20:42:39.22Z'),
    '2018-06-31T20:42:39Z',
  ],
  ['TR31_WP_CONTENT', withBlock(bdk, 'WP', '004'), withBlock(bdk, 'WP', '003'), '004'],
  ['TR31_WP_CONTENT', withBlock(bdk, 'WP', '013'), withBlock(bdk, 'WP', '000'), '013'],
  ['TR31_10_CONTENT', withBlock(bdk, '10', 'IBM C0114'), withBlock(bdk, '10', 'IBMC0114'), 'IBM C0114'],
];
