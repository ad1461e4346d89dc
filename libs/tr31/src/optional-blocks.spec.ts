import { describe, expect, test } from '@jest/globals';
import { keyBlockText } from '../../../test/support/key-block-text.ts';
import {
  describeOptionalBlock,
  inspectKeyBlock,
  type OptionalBlock,
  optionalBlockContent,
  parseHeader,
} from './header.ts';
import { formatOptionalBlock, paddingBlockLength, readOptionalBlocks } from './optional-blocks.ts';

describe('framing', () => {
  test('the form changes from short to extended after 251 characters of data', () => {
    const label = (characters: number) => formatOptionalBlock({ id: 'LB', data: 'x'.repeat(characters) });
    expect(label(0)).toBe('LB04');
    expect(label(251).slice(0, 5)).toBe('LBFFx');
    expect(label(252).slice(0, 11)).toBe('LB00040106x');
    expect(label(9000).slice(0, 11)).toBe('LB00042332x');
  });

  test('every length of data reads back as written', () => {
    for (let characters = 0; characters < 600; characters++) {
      const block = { id: 'LB', data: 'x'.repeat(characters) };
      const text = formatOptionalBlock(block);
      const [read] = readOptionalBlocks(text, 0, 1, [])!;
      expect(read).toEqual({ ...block, start: 0, dataStart: text.length - characters, end: text.length });
    }
  });

  test('an extended block may be empty', () => {
    expect(readOptionalBlocks('LB0004000A', 0, 1, [])).toMatchObject([{ id: 'LB', data: '', end: 10 }]);
  });

  test('forms met in the field: a lenient reader takes them and says so, and a new wrap writes 0004', () => {
    const data = 'x'.repeat(252 + 6);
    const forms = {
      TR31_OPTIONAL_LENGTH_IN_BYTES: `LB0002010C${data}`, // psec, paysec
      TR31_OPTIONAL_LENGTH_OF_LENGTH: `LB000310B${data}`, // warthog33/keyblock
    };
    for (const [code, written] of Object.entries(forms)) {
      const padding = `PB${(16 - (written.length % 16)).toString(16).toUpperCase().padStart(2, '0')}`;
      const optional = written + padding.padEnd(16 - (written.length % 16), '0');
      const keyBlock = keyBlockText({ attributes: 'P0AE00E', optional, count: 2 });
      expect(() => parseHeader(keyBlock)).toThrow(expect.objectContaining({ code }));
      const { header, deviations, text } = parseHeader(keyBlock, { profile: 'lenient' });
      expect(deviations.map((met) => met.code)).toEqual([code]);
      expect(header.optionalBlocks[0]).toEqual({ id: 'LB', data });
      expect(text).toContain(written);
      expect(formatOptionalBlock(header.optionalBlocks[0]!)).toBe(`LB0004010C${data}`);
    }
  });

  test.each([
    ['LB', 'ends in the ID'],
    ['LB0', 'ends in the length'],
    ['LB00', 'ends before the length of length'],
    ['LB000', 'ends in the length of length'],
    ['LB0004', 'ends before the length'],
    ['LB000401', 'ends in the length'],
    ['LB01', 'length 01'],
    ['LB02', 'length 02'],
    ['LB03', 'length 03'],
    ['LB05', 'ends before its data'],
    ['LB0000', 'length of length 00'],
    ['LB000500100', 'length of length 05'],
    ['LB00040009', 'extended length less than its head'],
    ['LB00040100x', 'ends in the extended data'],
    ['LB-1', 'sign'],
    ['LB 5', 'space'],
    ['LBG0', 'not hex'],
  ])('%s is refused: %s', (text) => {
    const findings: Parameters<typeof readOptionalBlocks>[3] = [];
    expect(readOptionalBlocks(text, 0, 1, findings)).toBeUndefined();
    expect(findings.map(({ code }) => code)).toEqual(['TR31_OPTIONAL_FRAMING']);
    expect(findings[0]!.at.end).toBeLessThanOrEqual(text.length);
  });

  test('a lower-case length digit is a finding', () => {
    const { findings } = inspectKeyBlock(keyBlockText({ optional: 'LB0cxxxxxxxxPB04', count: 2 }));
    expect(findings).toMatchObject([{ code: 'TR31_HEX_LOWER_CASE', at: { start: 18, end: 20 } }]);
  });

  test('padding fills to the multiple, with at least 4 characters', () => {
    for (const blockBytes of [8, 16]) {
      for (let length = 0; length < 64; length++) {
        const padding = paddingBlockLength(length, blockBytes);
        expect((length + padding) % blockBytes).toBe(0);
        expect(padding === 0 || padding >= 4).toBe(true);
        expect(padding).toBeLessThan(blockBytes + 4);
      }
    }
  });
});

describe('unknown and proprietary blocks', () => {
  test('are kept to the byte, and described as what they are', () => {
    const optionalBlocks = [
      { id: 'ZZ', data: ' !~"' },
      { id: '9X', data: 'Proprietary.' },
    ];
    const optional = optionalBlocks.map(formatOptionalBlock).join('');
    const { header } = parseHeader(keyBlockText({ optional: `${optional}PB08abcd`, count: 3 }));
    expect(header.optionalBlocks.slice(0, 2)).toEqual(optionalBlocks);
    expect(describeOptionalBlock(optionalBlocks[0]!, header)).toBe('Not known');
    expect(describeOptionalBlock(optionalBlocks[1]!, header)).toBe('Proprietary');
    expect(optionalBlockContent(optionalBlocks[0]!, header)).toBeUndefined();
  });
});

describe('typed content and its words', () => {
  const header = (attributes: string) =>
    parseHeader(keyBlockText({ attributes }), { profile: 'lenient' }).header;
  const examples: [attributes: string, block: OptionalBlock, content: unknown, words: string][] = [
    ['S0RS00E', { id: 'AL', data: '0101' }, { life: 'static' }, 'Life of an asymmetric key: static'],
    [
      'B0TX00E',
      { id: 'BI', data: '00FFFF987654' },
      { dukpt: 'TDES', identifier: 'FFFF987654' },
      'Identifier of a base derivation key: TDES DUKPT, FFFF987654',
    ],
    [
      'S0RS00E',
      { id: 'CT', data: '02000004AAAA010008BBBBBBB=' },
      {
        certificates: [
          { format: 'X.509', base64: 'AAAA' },
          { format: 'EMV', base64: 'BBBBBBB=' },
        ],
      },
      'Public key certificate or chain: X.509, 4 characters of base64; EMV, 8 characters of base64',
    ],
    [
      'B3AX00E',
      { id: 'DA', data: '01D2ABN' },
      { derivations: [{ keyUsage: 'D2', algorithm: 'A', modeOfUse: 'B', exportability: 'N' }] },
      'Derivations allowed: D2 A B N',
    ],
    ['P0AE00E', { id: 'FL', data: '0A' }, { flags: '0A' }, 'Flags: 0A'],
    ['M7HG00E', { id: 'HM', data: '21' }, { hash: 'SHA-256' }, 'Hash algorithm of an HMAC key: SHA-256'],
    [
      'B1AX00E',
      { id: 'IK', data: '0123456789ABCDEF' },
      { initialKeyId: '0123456789ABCDEF' },
      'Initial key id of AES DUKPT: 0123456789ABCDEF',
    ],
    [
      'B0TX00E',
      { id: 'KC', data: '00012345' },
      { method: 'legacy', checkValue: '012345' },
      'Check value of the key: 012345 (legacy)',
    ],
    [
      'B0TX00E',
      { id: 'KP', data: '010123456789' },
      { method: 'CMAC', checkValue: '0123456789' },
      'Check value of the KBPK: 0123456789 (CMAC)',
    ],
    [
      'B0TX00E',
      { id: 'PK', data: '010123456789' },
      { method: 'CMAC', checkValue: '0123456789' },
      'Check value of the export KBPK: 0123456789 (CMAC)',
    ],
    [
      'B1TX00E',
      { id: 'KS', data: '00604B120F9292800000' },
      { initialKsn: '00604B120F9292800000' },
      'Initial key serial number of TDES DUKPT: 00604B120F9292800000',
    ],
    [
      'P0AE00E',
      { id: 'KV', data: '0102' },
      { values: ['01', '02'] },
      'Key block values (deprecated): 01, 02',
    ],
    ['P0AE00E', { id: 'LB', data: 'My key' }, { label: 'My key' }, 'Label: My key'],
    ['P0AE00E', { id: 'PB', data: 'xyz' }, { filler: 'xyz' }, 'Padding: 3 characters of filler'],
    [
      'P0AE00E',
      { id: 'TC', data: '20200229235959Z' },
      { time: new Date('2020-02-29T23:59:59Z') },
      'Time of creation: 2020-02-29T23:59:59.000Z',
    ],
    [
      'P0AE00E',
      { id: 'TC', data: '2020022923595922Z' },
      { time: new Date('2020-02-29T23:59:59.220Z') },
      'Time of creation: 2020-02-29T23:59:59.220Z',
    ],
    [
      'P0AE00E',
      { id: 'TS', data: '2018-06-18T20:42:39Z' },
      { time: new Date('2018-06-18T20:42:39Z') },
      'Time stamp: 2018-06-18T20:42:39.000Z',
    ],
    [
      'P0AE00E',
      { id: 'TS', data: '2018-06-18T20:42:39.22Z' },
      { time: new Date('2018-06-18T20:42:39.220Z') },
      'Time stamp: 2018-06-18T20:42:39.220Z',
    ],
    [
      'P0AE00E',
      { id: 'WP', data: '003' },
      { weaker: true, asymmetric: true },
      'Wrapping pedigree: wrapped by an asymmetric key, and by a weaker one',
    ],
    [
      'P0AE00E',
      { id: '10', data: 'IBMC0114AB' },
      { tag: '01', value: '14AB' },
      'IBM CCA attributes: tag 01 (CCA control vector), 14AB',
    ],
  ];

  test.each(
    examples.map(
      ([attributes, block, content, words]) => [block.id, attributes, block, content, words] as const,
    ),
  )('%s', (id, attributes, block, content, words) => {
    expect(optionalBlockContent(block, header(attributes))).toEqual({ id, ...(content as object) });
    expect(describeOptionalBlock(block, header(attributes))).toBe(words);
  });

  test('data that break the rules have words, and no content', () => {
    const block = { id: 'HM', data: '99' };
    expect(optionalBlockContent(block, header('M7HG00E'))).toBeUndefined();
    expect(describeOptionalBlock(block, header('M7HG00E'))).toContain('not in the form');
  });
});
