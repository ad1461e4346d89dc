import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { utf8 } from '../test/sample-log.ts';
import {
  type CommittedName,
  commitmentOf,
  formatCommittedNames,
  openCommittedNames,
} from './committed-name.ts';

const salts = fc.uint8Array({ minLength: 32, maxLength: 32 });
const names = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 64 })
  .filter((name) => !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(name));
const committed = (salt: Uint8Array, name: string): CommittedName => ({
  commitment: commitmentOf(salt, name),
  name,
  salt: Buffer.from(salt).toString('hex').toUpperCase(),
});

// docs/audit-log.md, "Names". No published vectors: the second verifier, in Python, agrees in test/e2e/audit-bundles.e2e.ts.
describe('names that stay out of the log', () => {
  test('are read as they were written', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(salts, names), { maxLength: 5 }), (people) => {
        const kept = people.map(([salt, name]) => committed(salt, name));
        expect(openCommittedNames(utf8(formatCommittedNames(kept)))).toEqual(kept);
      }),
    );
  });

  test('are not those of another name or salt', () => {
    fc.assert(
      fc.property(salts, names, names, fc.nat({ max: 255 }), (salt, name, other, bit) => {
        fc.pre(name !== other);
        const kept = committed(salt, name);
        const otherSalt = salt.with(bit >> 3, salt[bit >> 3]! ^ (1 << (bit & 7)));
        for (const wrong of [
          { ...kept, name: other },
          { ...kept, salt: committed(otherSalt, name).salt },
          { ...kept, commitment: committed(otherSalt, name).commitment },
        ]) {
          const reading = () => openCommittedNames(utf8(formatCommittedNames([wrong])));
          expect(reading).toThrow(expect.objectContaining({ code: 'TLOG_ENTRY_ALTERED' }));
        }
      }),
    );
  });

  test('need a salt of 32 bytes', () => {
    for (let length = 0; length <= 65; length++) {
      if (length === 32) continue;
      const message = `salt: expected 32 bytes, got ${length}`;
      expect(() => commitmentOf(new Uint8Array(length), 'Ann')).toThrow(message);
    }
  });
});
