import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { kbpk, unwrap } from '@openkdh/tr31';
import { lmkHandle, type ThalesHeader } from '@openkdh/tr31/thales';
import { InProcessHsm, payshield } from '../../../../test/support/soft-hsm-in-process.ts';
import { generateRsaKeyPair } from '../asymmetric/rsa-private-key.ts';
import { loadTestLmk } from '../lmk/test-lmks.ts';

/** Every refusal of the key commands, one reason at a time: each request differs from a good one in one thing. */

const lmk = loadTestLmk('AES');
const keys = {
  bdk: Buffer.from(payshield.a0_mode_b.clear.bdk, 'hex'),
  a128: Buffer.from('00112233445566778899AABBCCDDEEFF', 'hex'),
  a256: Buffer.from(payshield.a0_mode_b.clear.zmk, 'hex'),
  t2: Buffer.from('0123456789ABCDEFFEDCBA9876543210', 'hex'),
  t3: Buffer.from('0123456789ABCDEFFEDCBA987654321080808080FEFEFEFE', 'hex'),
};

/** A key block under the test LMK, with tag, whose header says what is given. */
function under(header: Partial<ThalesHeader>, key: Uint8Array, handle = lmk.handle): string {
  const usual = { keyUsage: 'K0', algorithm: 'A', modeOfUse: 'N', keyVersion: '00', exportability: 'E' };
  return `S${handle.wrap({ versionId: '1', lmkId: '01', optionalBlocks: [], ...usual, ...header }, key)}`;
}

const bdk = under({ keyUsage: 'B0', modeOfUse: 'X' }, keys.bdk);
const tdesBdk = under({ keyUsage: 'B0', modeOfUse: 'X', algorithm: 'T' }, keys.t2);
const zmk = under({}, keys.a256);
const tdesZmk = under({ algorithm: 'T' }, keys.t3);
const exportable = under({ keyUsage: 'P0', modeOfUse: 'E' }, keys.a128);
const aesKsn = 'FFFFFFFFFFFFFF42';
const tdesKsn = 'FFFF9876543210E'; // 15 digits, the last even

const flipped = (block: string) => block.slice(0, -1) + (block.endsWith('0') ? '1' : '0');
const codeOf = async (command: string | Uint8Array, options = {}) =>
  (await new InProcessHsm(options).call(command)).slice(2, 4);

interface A0Parts {
  mode: string;
  keyType: string;
  scheme: string;
  derivation: string;
  exporting: string;
  attributes: string;
  end: string;
}

const derived = { derivation: `01${bdk}${aesKsn}`, exporting: `${zmk}R`, attributes: '#B1A1X00S00', end: '' };
const a0 = (parts: Partial<A0Parts> = {}) => {
  const { mode, keyType, scheme, derivation, exporting, attributes, end } = {
    ...{ mode: 'B', keyType: 'FFF', scheme: 'S' },
    ...derived,
    ...parts,
  };
  return `A0${mode}${keyType}${scheme}${derivation}${exporting}${attributes}${end}`;
};
const derivation = (block: string, ksn = aesKsn) => `01${block}${ksn}`;

describe('A0', () => {
  test.each<[string, Partial<A0Parts>]>([
    ['the good request', {}],
    ['mode A without an export', { mode: 'A', exporting: '' }],
    ['a TDES BDK', { derivation: derivation(tdesBdk, tdesKsn), attributes: '#B1T2X00S00' }],
    [
      'a TDES BDK under a TDES ZMK',
      { derivation: derivation(tdesBdk, tdesKsn), attributes: '#B1T2X00S00', exporting: `${tdesZmk}R` },
    ],
    ['LMK id, exportability, version', { attributes: '%01#B1A1X00S00', end: '&N!D' }],
    ['its own IK block', { attributes: `#B1A1X00S01IK14${aesKsn}` }],
    ['a BDK of another type than the digit says', { derivation: `04${bdk}${aesKsn}` }],
    ['a trailer', { end: '\x19trailer of the host' }],
  ])('accepts %s', async (_, parts) => {
    expect(await codeOf(a0(parts))).toBe('00');
  });

  const withAttributes = (attributes: string) => ({ attributes });
  test.each<[string, string, Partial<A0Parts>]>([
    ['15', 'a mode that is none', { mode: 'C' }],
    ['28', 'a key type of variant LMKs', { keyType: '302' }],
    ['26', 'a key scheme of variant LMKs', { scheme: 'U' }],
    ['15', 'a derive mode that is none', { derivation: `21${bdk}${aesKsn}` }],
    ['68', 'ZKA', { derivation: `11${bdk}${aesKsn}` }],
    ['15', 'a master key type that is none', { derivation: `05${bdk}${aesKsn}` }],
    ['26', 'a BDK without key block', { derivation: `01U${'0'.repeat(32)}${aesKsn}` }],
    ['15', 'a BDK field that is no key', { derivation: `01?${bdk}${aesKsn}` }],
    ['15', 'a BDK that is cut', { derivation: `01${bdk.slice(0, 60)}`, exporting: '', attributes: '' }],
    ['15', 'a length that is no number', { derivation: `01S1x096${bdk.slice(6)}${aesKsn}` }],
    ['15', 'a block shorter than a header', { derivation: `01S10008${bdk.slice(6)}${aesKsn}` }],
    ['15', 'lower-case hex in the KSN', { derivation: derivation(bdk, aesKsn.toLowerCase()) }],
    [
      '15',
      'a KSN of TDES DUKPT with an odd end',
      { derivation: derivation(tdesBdk, 'FFFF98765432101'), attributes: '#B1T2X00S00' },
    ],
    ['15', 'no attributes', withAttributes('')],
    ['15', 'something after the end', { end: 'x' }],
    ['15', 'a trailer that is too long', { end: `\x19${'x'.repeat(33)}` }],
    ['15', 'an LMK id of one digit', withAttributes('%1#B1A1X00S00')],
    ['13', 'an LMK that is not loaded', withAttributes('%02#B1A1X00S00')],
    [
      'A1',
      'a BDK under a 3DES LMK',
      { derivation: `01S${payshield.s_block_v0.vectors[13]!.block}${tdesKsn}` },
    ],
    [
      'A3',
      'a BDK of another LMK id',
      { derivation: derivation(under({ keyUsage: 'B0', modeOfUse: 'X', lmkId: '02' }, keys.bdk)) },
    ],
    ['A4', 'a BDK with a changed MAC', { derivation: derivation(flipped(bdk)) }],
    ['A4', 'a BDK with a changed usage', { derivation: derivation(zmk.replace('K0', 'B0')) }],
    [
      'A4',
      'a BDK under another LMK',
      { derivation: derivation(under({ keyUsage: 'B0', modeOfUse: 'X' }, keys.bdk, lmkHandle(keys.a256))) },
    ],
    ['B2', 'a header that is none', { derivation: derivation(bdk.replace('B0AX00E00', 'B0A?00E00')) }],
    ['AC', 'optional blocks that do not add up', { derivation: derivation(bdk.replace('E0001', 'E0101')) }],
    ['A6', 'a KEK as BDK', { derivation: derivation(zmk) }],
    [
      'A8',
      'a BDK of another mode',
      { derivation: derivation(under({ keyUsage: 'B0', modeOfUse: 'E' }, keys.bdk)) },
    ],
    [
      'A9',
      'a component as BDK',
      { derivation: derivation(under({ keyUsage: 'B0', modeOfUse: 'X', keyVersion: 'c1' }, keys.bdk)) },
    ],
    ['A4', 'a ZMK with a changed MAC', { exporting: `${flipped(zmk)}R` }],
    ['A6', 'a BDK as ZMK', { exporting: `${bdk}R` }],
    ['A6', 'a PIN key as ZMK', { exporting: `${exportable}R` }],
    ['A8', 'a ZMK that only decrypts', { exporting: `${under({ modeOfUse: 'D' }, keys.a256)}R` }],
    ['A9', 'a component as ZMK', { exporting: `${under({ keyVersion: 'c2' }, keys.a256)}R` }],
    ['26', 'an export without key block', { exporting: `${zmk}X` }],
    ['A7', 'TR-31 version B under AES', { end: '!B' }],
    ['15', 'TR-31 version E', { end: '!E' }],
    [
      'A7',
      'version D under TDES',
      {
        derivation: derivation(tdesBdk, tdesKsn),
        attributes: '#B1T2X00S00',
        exporting: `${tdesZmk}R`,
        end: '!D',
      },
    ],
    ['BB', 'AES-128 under TDES', { exporting: `${tdesZmk}R` }],
    [
      'BB',
      'AES-256 under AES-128',
      {
        derivation: derivation(under({ keyUsage: 'B0', modeOfUse: 'X' }, keys.a256)),
        attributes: '#B1A3X00S00',
        exporting: `${under({}, keys.a128)}R`,
      },
    ],
    ['AA', 'a key that is not exportable from the start', withAttributes('#B1A1X00N00')],
    [
      'AA',
      'an initial key wider than its BDK',
      {
        derivation: derivation(under({ keyUsage: 'B0', modeOfUse: 'X', exportability: 'S' }, keys.bdk)),
        attributes: '#B1A1X00E00',
      },
    ],
    [
      'AA',
      'an initial key of a BDK that is not exportable',
      { derivation: derivation(under({ keyUsage: 'B0', modeOfUse: 'X', exportability: 'N' }, keys.bdk)) },
    ],
    ['AA', 'a modified exportability that widens', { end: '&E' }],
    ['AA', 'an exportability that is none', withAttributes('#B1A1X00Q00')],
    ['A6', 'an initial key of another usage', withAttributes('#P0A1E00S00')],
    ['A6', 'a usage that is none', withAttributes('#ZZA1X00S00')],
    ['A7', 'an algorithm that is none', withAttributes('#B1A4X00S00')],
    ['A7', 'an initial key longer than its BDK', withAttributes('#B1A3X00S00')],
    ['A7', 'a TDES initial key of an AES BDK', withAttributes('#B1T2X00S00')],
    ['17', 'single DES', withAttributes('#B1D1X00S00')],
    ['A8', 'a mode that does not go with the usage', withAttributes('#B1A1E00S00')],
    ['A9', 'a key version that is a component', withAttributes('#B1A1Xc1S00')],
    ['AB', 'nine optional blocks', withAttributes('#B1A1X00S09')],
    ['AC', 'a padding block of the host', withAttributes('#B1A1X00S01PB0400')],
    ['AC', 'an optional block without room for its length', withAttributes('#B1A1X00S01IK03')],
    ['BC', 'an optional block twice', withAttributes('#B1A1X00S02KV080000KV080000')],
    ['B4', 'the KSN of another terminal in IK', withAttributes('#B1A1X00S01IK14FFFFFFFFFFFFFF43')],
    [
      'B4',
      'the KSN of another terminal in KS',
      { derivation: derivation(tdesBdk, tdesKsn), attributes: '#B1T2X00S01KS18FFFF9876543211000000' },
    ],
  ])('%s: %s', async (code, _, parts) => {
    expect(await codeOf(a0(parts))).toBe(code);
  });

  test('0 and 1 refuse what has no place there', async () => {
    const generate = (attributes: string) => `A00FFFS${attributes}`;
    expect(await codeOf(generate('#K0A1N00E00'))).toBe('00');
    expect(await codeOf(generate('#K0A1N00E00&N'))).toBe('15');
    expect(await codeOf(generate('#K0A1N00E00!D'))).toBe('15');
    expect(await codeOf(`A01FFFS${zmk}R#K0A1N00E00`)).toBe('00');
    expect(await codeOf(`A01FFFS${zmk}S#K0A1N00E00`)).toBe('00');
    expect(await codeOf(`A01FFFS${zmk}R#24A1N00E00`)).toBe('A6'); // a transport key has no X9.143 usage
  });

  test('BB: no AES key is made under the 3DES LMK', async () => {
    const tdes = { lmk: loadTestLmk('TDES') };
    expect(await codeOf('A00FFFS#K0A1N00E00', tdes)).toBe('BB');
    expect(await codeOf('A00FFFS#K0T3N00E00', tdes)).toBe('00');
  });

  test('the TR-31 block carries the optional blocks, padded, and hides its length on request', async () => {
    for (const [keyLengthHiding, length] of [
      [false, 144],
      [true, 176],
    ] as const) {
      const hsm = new InProcessHsm({ keyLengthHiding });
      const answer = await hsm.call(a0({ attributes: `#B1A1X00S01IK14${aesKsn}`, end: '&N!D' }));
      const block = answer.slice(answer.indexOf('RD') + 1, -6);
      expect(block).toHaveLength(length);
      const { header, key } = unwrap(keys.a256, block, { profile: keyLengthHiding ? 'strict' : 'payshield' });
      expect(header).toMatchObject({ keyUsage: 'B1', modeOfUse: 'X', exportability: 'N' });
      expect(header.optionalBlocks.map(({ id }) => id)).toEqual(['IK', 'PB']);
      expect(Buffer.from(key).toString('hex').toUpperCase()).toBe(payshield.a0_mode_b.clear.initial_key);
    }
  });
});

describe('A4', () => {
  const component = (number: number, key: Uint8Array, header: Partial<ThalesHeader> = {}) =>
    under({ keyUsage: 'B0', modeOfUse: 'X', keyVersion: `c${number}`, ...header }, key);
  const [one, two] = [component(1, keys.bdk), component(2, keys.a128)];
  const form = (components: string[], attributes = '#0000') =>
    `A4${components.length}FFFS${components.join('')}${attributes}`;
  const t = (number: number, key: Uint8Array) => component(number, key, { algorithm: 'T' });

  test('two components, and three in any order', async () => {
    expect(await codeOf(form([one, two]))).toBe('00');
    const three = component(3, Buffer.alloc(16, 0x5a));
    const hsm = new InProcessHsm();
    const kcvs = [form([one, two, three]), form([three, one, two])].map(async (f) =>
      (await hsm.call(f)).slice(-6),
    );
    expect(await kcvs[0]).toBe(await kcvs[1]);
  });

  test.each<[string, string, string]>([
    ['03', 'one component', form([one])],
    ['03', 'no component', 'A40FFFS#0000'],
    ['15', 'fewer components than announced', `A43FFFS${one}${two}#0000`],
    ['A9', 'a key as component', form([one, bdk])],
    ['B5', 'the same component twice', form([one, one])],
    ['B5', 'the same value under two numbers', form([one, component(2, keys.bdk)])],
    ['B5', 'the same number twice', form([one, component(1, keys.a128)])],
    [
      'B5',
      'components of two usages',
      form([one, component(2, keys.a128, { keyUsage: 'K0', modeOfUse: 'N' })]),
    ],
    ['B5', 'components of two modes', form([one, component(2, keys.a128, { modeOfUse: 'N' })])],
    ['B5', 'components of two lengths', form([one, component(2, keys.a256)])],
    ['B5', 'components of two exportabilities', form([one, component(2, keys.a128, { exportability: 'S' })])],
    ['A4', 'a changed component', form([one, flipped(two)])],
    ['10', 'a component without odd parity', form([t(1, keys.t2), t(2, keys.a128)])],
    ['11', 'components that cancel out', form([one, two, component(3, xor(keys.bdk, keys.a128))])],
    [
      '75',
      'a TDES key of one DES key',
      form([t(1, keys.t2), t(2, Buffer.from('DCBA98765432100123456789ABCDEFFE', 'hex'))]),
    ],
    ['A9', 'a key version that is a component', form([one, two], '#c100')],
    ['AB', 'too many optional blocks', form([one, two], '#0009')],
  ])('%s: %s', async (code, _, request) => {
    expect(await codeOf(request)).toBe(code);
  });
});

describe('A6', () => {
  const zmkHandle = kbpk(keys.a256);
  const header = {
    versionId: 'D',
    keyUsage: 'P0',
    algorithm: 'A',
    modeOfUse: 'E',
    keyVersion: '00',
    exportability: 'N',
    keyContext: '0',
    optionalBlocks: [],
  } as const;
  const tr31 = (changes: object = {}, key: Uint8Array = keys.a128) =>
    `R${zmkHandle.wrap({ ...header, optionalBlocks: [], ...changes }, key, { profile: 'lenient' })}`;
  const zmkBlock = (changes: Partial<ThalesHeader>, key: Uint8Array = keys.a128) =>
    under({ keyUsage: 'P0', modeOfUse: 'E', lmkId: 'FF', ...changes }, key, lmkHandle(keys.a256));
  const strongUnderWeak = under(
    { keyUsage: 'P0', modeOfUse: 'E', lmkId: 'FF' },
    keys.a256,
    lmkHandle(keys.a128),
  );
  const a6 = (block: string, end = '', wrapping = zmk) => `A6FFF${wrapping}${block}S${end}`;

  test.each<[string, string]>([
    ['a TR-31 block', a6(tr31())],
    ['an S block', a6(zmkBlock({}))],
    ['a usage narrowed to a Thales one', a6(tr31(), '#7200')],
    ['new optional blocks', a6(tr31(), '#P00105080000')],
    ['a ZMK that only decrypts', a6(tr31(), '', under({ modeOfUse: 'D' }, keys.a256))],
  ])('accepts %s', async (_, request) => {
    expect(await codeOf(request)).toBe('00');
  });

  test('attributes and exportability stay as they came', async () => {
    const hsm = new InProcessHsm();
    const answer = await hsm.call(a6(tr31()));
    expect(answer.slice(4, 21)).toBe('S10096P0AE00N0001');
    const zone = await hsm.call(a6(tr31(), '#7200'));
    expect(zone.slice(4, 21)).toBe('S1009672AE00N0001');
  });

  test('01: a TDES key with wrong parity is imported, with advice', async () => {
    const even = Buffer.from('0022446688AACCEE113355779911BBDD', 'hex');
    const answer = await new InProcessHsm().call(a6(tr31({ algorithm: 'T' }, even)));
    expect(answer.slice(0, 4)).toBe('A701');
    expect(answer).toMatch(/^A701S10096P0TE00N0001[0-9A-F]{80}[0-9A-F]{6}$/);
  });

  test.each<[string, string, string]>([
    ['26', 'a key without key block', a6('X0123456789ABCDEF0123456789ABCDEF')],
    ['A4', 'a changed TR-31 block', a6(flipped(tr31()))],
    ['A4', 'a changed S block', a6(flipped(zmkBlock({})))],
    ['A3', 'an S block that names an LMK', a6(zmkBlock({ lmkId: '01' }))],
    ['A1', 'an S block of the other version', a6(`S${payshield.s_block_v0.vectors[15]!.block}`)],
    ['A6', 'a ZMK of another usage', a6(tr31(), '', exportable)],
    ['A8', 'a ZMK that only encrypts', a6(tr31(), '', under({ modeOfUse: 'E' }, keys.a256))],
    ['A6', 'a usage turned into another', a6(tr31(), '#D000')],
    ['A6', 'a usage that is none', a6(tr31(), '#ZZ00')],
    ['A6', 'a usage that has no place here', a6(tr31({ keyUsage: 'B3', modeOfUse: 'X' }))],
    ['A9', 'a component', a6(tr31({ keyVersion: 'c1' }))],
    ['11', 'a key of zeros', a6(tr31({}, Buffer.alloc(16)))],
    [
      '75',
      'a single DES key twice',
      a6(tr31({ algorithm: 'T' }, Buffer.from('0123456789ABCDEF0123456789ABCDEF', 'hex'))),
    ],
    [
      '11',
      'a weak DES key inside',
      a6(tr31({ algorithm: 'T' }, Buffer.from('0123456789ABCDEF0101010101010101', 'hex'))),
    ],
    [
      '11',
      'two keys posing as three',
      a6(tr31({ algorithm: 'T' }, Buffer.concat([keys.t2, keys.t2.subarray(0, 8)]))),
    ],
    ['BB', 'a key stronger than its ZMK', a6(strongUnderWeak, '', under({}, keys.a128))],
    ['AB', 'seven optional blocks', a6(tr31(), '#P007')],
    ['28', 'a key type of variant LMKs', `A6002${zmk}${tr31()}S`],
    ['26', 'a key scheme of variant LMKs', `A6FFF${zmk}${tr31()}U`],
  ])('%s: %s', async (code, _, request) => {
    expect(await codeOf(request)).toBe(code);
  });
});

describe('A8', () => {
  const a8 = (key = exportable, wrapping = zmk, end = 'R') => `A8FFF${wrapping}${key}${end}`;

  test.each([['R'], ['S'], ['R%01'], ['R&N!D'], ['S&N']])('accepts %s', async (end) => {
    expect(await codeOf(a8(exportable, zmk, end))).toBe('00');
  });

  test.each<[string, string, string]>([
    [
      'AA',
      'a key that is not exportable',
      a8(under({ keyUsage: 'P0', modeOfUse: 'E', exportability: 'N' }, keys.a128)),
    ],
    ['A9', 'a component', a8(under({ keyUsage: 'P0', modeOfUse: 'E', keyVersion: 'c1' }, keys.a128))],
    ['BB', 'a key stronger than the ZMK', a8(zmk, under({}, keys.a128))],
    ['BB', 'AES under TDES', a8(exportable, tdesZmk)],
    ['A6', 'a BDK as ZMK', a8(exportable, bdk)],
    ['A7', 'version B under AES', a8(exportable, zmk, 'R!B')],
    ['26', 'a format that is not trusted', a8(exportable, zmk, 'X')],
    ['26', 'GISKE', a8(exportable, zmk, 'V')],
    ['AA', 'a modification that widens', a8(exportable, zmk, 'R&E')],
    ['A4', 'a changed key', a8(flipped(exportable))],
    ['13', 'an LMK that is not loaded', a8(exportable, zmk, 'R%19')],
  ])('%s: %s', async (code, _, request) => {
    expect(await codeOf(request)).toBe(code);
  });
});

describe('BU', () => {
  test.each<[string, string, string]>([
    ['00', 'a key', `BUFFF${zmk};FFF;001%01`],
    ['00', 'without options', `BUFFF${zmk}`],
    ['17', 'a check value of 16 digits', `BUFFF${zmk};FFF;000`],
    ['04', 'a key type code of variant LMKs', `BU00F${zmk}`],
    ['05', 'a key length flag of variant LMKs', `BUFF1${zmk}`],
    ['28', 'a key type of variant LMKs', `BUFFF${zmk};002;001`],
    ['A4', 'a changed key', `BUFFF${flipped(zmk)}`],
    ['26', 'a key without key block', 'BUFFFU0123456789ABCDEF0123456789ABCDEF'],
  ])('%s: %s', async (code, _, request) => {
    expect(await codeOf(request)).toBe(code);
  });
});

describe('EI, EW, EO, EY', () => {
  const hsm = new InProcessHsm();
  const bytes = (...parts: (string | Uint8Array)[]) =>
    Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));
  const code = async (...parts: (string | Uint8Array)[]) => (await hsm.call(bytes(...parts))).slice(2, 4);
  const binary = (header: Partial<ThalesHeader>, der: Uint8Array) => {
    const usual = { keyUsage: '03', algorithm: 'R', modeOfUse: 'S', keyVersion: '00', exportability: 'N' };
    const block = lmk.handle.wrapPrivateKey(
      { versionId: '1', lmkId: '01', optionalBlocks: [], ...usual, ...header },
      der,
    );
    return bytes('S', block);
  };

  test.each([
    ['05', 'EI3204801#0000'],
    ['04', 'EI0102401#0000'],
    ['04', 'EI0409701#0000'],
    ['04', 'EI0205101#0000'],
    ['03', 'EI0204803#0000'],
    ['06', 'EI0204801001700010001#0000'],
    ['AA', 'EI0204801#0000&E'],
    ['A9', 'EI0204801#c100'],
    ['AB', 'EI0204801#0009'],
    ['13', 'EI0204801%05#0000'],
    ['15', 'EI0204801'],
  ])('%s: %s', async (expected, request) => {
    expect(await code(request)).toBe(expected);
  });

  test('48: the 3DES LMK is too weak for more than 2048 bits', async () => {
    expect(await codeOf('EI0307201#0000', { lmk: loadTestLmk('TDES') })).toBe('48');
  });

  test('a key pair signs and verifies, and every part of the requests is checked', async () => {
    const { publicKey, crt } = await generateRsaKeyPair(2048);
    const signing = binary({}, crt);
    const data = bytes('data with ; and \x19 in it');
    const ew = (key: Uint8Array, scheme = '060101', flag = '99FFFF', end = '') =>
      bytes('EW', scheme, String(data.length).padStart(4, '0'), data, ';', flag, key, end);
    const ey = (key: Uint8Array, signature: Uint8Array, scheme = '060101') =>
      bytes('EY', scheme, '0256', signature, ';', String(data.length).padStart(4, '0'), data, ';', key);

    const signature = bytes(await hsm.call(ew(signing, '060101', '99FFFF', '%01'))).subarray(8);
    const imported = bytes(await hsm.call(bytes('EO02', publicKey, '~#V00N00'))).subarray(4);
    expect(await code(ey(imported, signature))).toBe('00');
    expect(
      await code(
        ey(
          imported,
          Uint8Array.from(signature, (byte, at) => (at === 0 ? byte ^ 1 : byte)),
        ),
      ),
    ).toBe('02');
    expect(await code(ey(imported, signature, '070101'))).toBe('02');

    expect(await code(ew(signing, '010101'))).toBe('05'); // SHA-1
    expect(await code(ew(signing, '060301'))).toBe('06'); // none that there is
    expect(await code(ew(signing, '060201'))).toBe('A7'); // ECDSA with an RSA key
    expect(await code(ew(signing, '060104'))).toBe('07'); // PSS
    expect(await code(ew(signing, '060101', '00FFFF'))).toBe('04');
    expect(await code(ew(signing, '060101', '990256'))).toBe('78');
    expect(await code(ew(binary({ modeOfUse: 'D' }, crt)))).toBe('A8');
    expect(await code(ew(binary({ keyUsage: '06' }, crt)))).toBe('A6');
    expect(await code(ew(binary({ algorithm: 'E' }, crt)))).toBe('A7');
    expect(await code(ew(binary({ lmkId: '00' }, crt)))).toBe('A3');
    expect(await code(ew(imported))).toBe('A6');
    expect(await code(ew(binary({}, publicKey)))).toBe('49');
    expect(await code(ew(Buffer.from(signing).fill(0xff, 60, 61)))).toBe('A4');
    expect(await code(ey(signing, signature))).toBe('A6');

    const digestInfo = (prefix: string) =>
      bytes(Buffer.from(prefix, 'hex'), createHash('sha256').update(data).digest());
    const ofSha256 = digestInfo('3031300D060960864801650304020105000420');
    const ewDigest = (info: Uint8Array, scheme = '040101') =>
      bytes('EW', scheme, String(info.length).padStart(4, '0'), info, ';99FFFF', signing);
    expect(bytes(await hsm.call(ewDigest(ofSha256))).subarray(8)).toEqual(signature);
    expect(await code(ewDigest(digestInfo('3021300906052B0E03021A05000414')))).toBe('74'); // SHA-1
    expect(await code(ewDigest(ofSha256.subarray(0, -1)))).toBe('74');
    expect(await code(ewDigest(ofSha256.subarray(19)))).toBe('74'); // the bare hash
    expect(await code(ewDigest(Buffer.alloc(0)))).toBe('74');
    expect(await code(ewDigest(ofSha256, '040201'))).toBe('06'); // ECDSA
    expect(await code(ewDigest(ofSha256, '040104'))).toBe('06'); // PSS
    expect(await code(ey(imported, signature, '040101'))).toBe('05');

    expect(await code('EO04', publicKey, '~#V00N00')).toBe('03');
    expect(await code('EO02', crt, '~#V00N00')).toBe('76');
    expect(await code('EO02', publicKey, '#V00N00')).toBe('15');
    expect(await code('EO02', publicKey, '~#S00N00')).toBe('A8');
  });
});

function xor(a: Uint8Array, b: Uint8Array): Buffer {
  return Buffer.from(a.map((byte, n) => byte ^ b[n]!));
}
