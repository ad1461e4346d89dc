import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { keyBlockText } from '../../../test/support/key-block-text.ts';
import { keyBlockVectors } from '../../../test/support/tr31-vectors.ts';
import {
  inspectKeyBlock,
  type KeyBlockHeader,
  type KeyUsage,
  kbpk,
  keyUsages,
  parseHeader,
  Tr31Error,
  unwrap,
  type VersionId,
  versions,
  wrap,
} from './index.ts';
import { parseThalesHeader } from './thales.ts';

const printable = (length: fc.StringConstraints) =>
  fc.string({
    unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
    ...length,
  });

/** A header that strict accepts, for a symmetric key, with blocks that go with every header. */
const strictHeader: fc.Arbitrary<KeyBlockHeader> = fc
  .constantFrom(...(Object.keys(keyUsages) as KeyUsage[]))
  .filter((usage) => /[TA]/.test(keyUsages[usage].algorithms))
  .chain((keyUsage) =>
    fc.record({
      versionId: fc.constantFrom(...(Object.keys(versions) as VersionId[])),
      keyUsage: fc.constant(keyUsage),
      algorithm: fc.constantFrom(...keyUsages[keyUsage].algorithms).filter((letter) => 'TA'.includes(letter)),
      modeOfUse: fc.constantFrom(...keyUsages[keyUsage].modes),
      keyVersion: fc.stringMatching(/^[0-9A-Za-z]{2}$/),
      exportability: fc.constantFrom('E', 'N', 'S'),
      keyContext: fc.constantFrom('0', '1', '2'),
      optionalBlocks: fc.uniqueArray(
        fc.oneof(
          fc.record({ id: fc.constant('LB'), data: printable({ minLength: 1, maxLength: 600 }) }),
          fc.record({ id: fc.constant('TS'), data: fc.constant('20200229235959Z') }),
          fc.record({ id: fc.constant('WP'), data: fc.constant('001') }),
          fc.record({ id: fc.stringMatching(/^[0-9][A-Z]$/), data: printable({ maxLength: 300 }) }),
        ),
        { selector: ({ id }) => id, maxLength: 6 },
      ),
    }),
  );

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

describe('round trip', () => {
  test('what strict accepts comes back, whatever the header', () => {
    fc.assert(
      fc.property(strictHeader, bytes(24), bytes(32), fc.nat(2), (header, protectionKey, material, n) => {
        const key = material.subarray(0, header.algorithm === 'T' ? [16, 24, 24][n] : [16, 24, 32][n]);
        // Strength is a rule of its own; here any key goes under any KBPK.
        const options = { letPass: ['TR31_KBPK_WEAKER'] } as const;
        const handle = kbpk(protectionKey);
        const block = handle.wrap(header, key, options);
        const opened = handle.unwrap(block, options);
        expect(opened.key).toEqual(key);
        expect(opened.header).toMatchObject({
          ...header,
          optionalBlocks: [
            ...header.optionalBlocks,
            ...opened.header.optionalBlocks.slice(header.optionalBlocks.length),
          ],
        });
        expect(opened.deviations.every(({ code }) => code === 'TR31_KBPK_WEAKER')).toBe(true);
        expect(parseHeader(block).header).toEqual(opened.header);
        expect(wrap(protectionKey, opened.header, key, { ...options, padding: opened.padding })).toBe(block);
      }),
    );
  });

  test('an HMAC key of any length', () => {
    const header: KeyBlockHeader = {
      versionId: 'D',
      keyUsage: 'M7',
      algorithm: 'H',
      modeOfUse: 'G',
      keyVersion: '00',
      exportability: 'E',
      keyContext: '0',
      optionalBlocks: [{ id: 'HM', data: '21' }],
    };
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 500 }), bytes(32), (key, protectionKey) => {
        expect(unwrap(protectionKey, wrap(protectionKey, header, key)).key).toEqual(key);
      }),
    );
  });
});

describe('fuzzing: nothing is thrown but the library’s own error', () => {
  const published = fc.constantFrom(
    ...keyBlockVectors.cases.map(({ keyBlock }) => keyBlock).filter(({ length }) => length < 300),
  );

  /** Text that begins like a key block more often than not. */
  const grammar = fc
    .record({
      versionId: fc.constantFrom('A', 'B', 'C', 'D', 'E', '0', '1', 'F'),
      attributes: fc.oneof(
        printable({ minLength: 7, maxLength: 7 }),
        fc.constantFrom('B1TX00N', 'S0RS00E', 'B3AX00N'),
      ),
      count: fc.nat(9),
      optional: fc
        .array(
          fc.tuple(
            fc.constantFrom(
              'AL',
              'BI',
              'CT',
              'DA',
              'FL',
              'HM',
              'IK',
              'KC',
              'KP',
              'KS',
              'KV',
              'LB',
              'PB',
              'PK',
              'TC',
              'TS',
              'WP',
              '10',
            ),
            fc.oneof(
              fc.stringMatching(/^[0-9A-F]{2}$/),
              fc.stringMatching(/^000[234][0-9A-F]{4}$/),
              printable({ maxLength: 4 }),
            ),
            printable({ maxLength: 40 }),
          ),
          { maxLength: 5 },
        )
        .map((blocks) => blocks.flat().join('')),
      keyDataBytes: fc.nat(64),
    })
    .map(keyBlockText);

  /** A published block with characters replaced, taken out or put in. */
  const mutated = fc
    .tuple(
      published,
      fc.array(fc.tuple(fc.nat(320), fc.nat(2), fc.string({ maxLength: 3 })), { minLength: 1, maxLength: 6 }),
    )
    .map(([block, edits]) =>
      edits.reduce((text, [at, removed, put]) => text.slice(0, at) + put + text.slice(at + removed), block),
    );

  const anyText = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    printable({ maxLength: 200 }),
    grammar,
    mutated,
  );
  const handle = kbpk(new Uint8Array(16).fill(1));
  const onlyOurError = (call: () => unknown) => {
    try {
      call();
    } catch (refusal) {
      if (!(refusal instanceof Tr31Error)) throw refusal;
      if (refusal.message === '') throw new Error('an error without a message');
    }
  };

  test('inspect never throws, and points inside the text', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const { fields, findings } = inspectKeyBlock(text);
        const outside = [...fields, ...findings].filter(
          ({ at }) => at.start < 0 || at.end < at.start || at.end > text.length,
        );
        expect(outside).toEqual([]);
      }),
      { numRuns: 2000 },
    );
  });

  test('parse and unwrap, strict and lenient', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        for (const profile of ['strict', 'lenient'] as const) {
          onlyOurError(() => parseHeader(text, { profile }));
          onlyOurError(() => handle.unwrap(text, { profile }));
        }
        onlyOurError(() => parseThalesHeader(text));
      }),
      { numRuns: 2000 },
    );
  });

  test('a block changed anywhere is never accepted', () => {
    const strong = new Uint8Array(32).fill(2);
    const header = inspectKeyBlock(keyBlockText({})).header!;
    const block = wrap(strong, header, new Uint8Array(16));
    fc.assert(
      fc.property(fc.nat(block.length - 1), printable({ minLength: 1, maxLength: 4 }), (at, put) => {
        const changed = block.slice(0, at) + put + block.slice(at + put.length);
        fc.pre(changed.toUpperCase() !== block);
        expect(() => unwrap(strong, changed, { profile: 'lenient' })).toThrow(Tr31Error);
      }),
      { numRuns: 500 },
    );
  });

  test('wrap with any header at all', () => {
    const any = printable({ maxLength: 3 });
    const header = fc.record({
      versionId: fc.oneof(any, fc.constantFrom('B', 'D')),
      keyUsage: fc.oneof(any, fc.constantFrom('P0')),
      algorithm: fc.oneof(any, fc.constantFrom('A', 'R')),
      modeOfUse: fc.oneof(any, fc.constantFrom('E')),
      keyVersion: any,
      exportability: any,
      keyContext: any,
      optionalBlocks: fc.array(fc.record({ id: any, data: fc.string({ maxLength: 300 }) }), { maxLength: 3 }),
    }) as fc.Arbitrary<KeyBlockHeader>;
    fc.assert(
      fc.property(header, fc.uint8Array({ maxLength: 40 }), (anyHeader, key) => {
        onlyOurError(() => {
          const block = handle.wrap(anyHeader, key, { profile: 'lenient' });
          expect(handle.unwrap(block, { profile: 'lenient' }).header).toMatchObject({
            ...anyHeader,
            optionalBlocks: expect.anything(),
          });
        });
      }),
      { numRuns: 1000 },
    );
  });

  test('what is not a string is refused as an argument', () => {
    for (const value of [undefined, null, 7, {}, new Uint8Array(3)]) {
      const refusal = expect.objectContaining({ code: 'TR31_ARGUMENT' });
      expect(() => inspectKeyBlock(value as unknown as string)).toThrow(refusal);
      expect(() => parseHeader(value as unknown as string)).toThrow(refusal);
      expect(() => handle.unwrap(value as unknown as string)).toThrow(refusal);
    }
  });
});
