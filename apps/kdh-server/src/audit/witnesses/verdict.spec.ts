import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { judgeReply } from './verdict.ts';

const shown = { oldSize: 5n, size: 9n, newestSize: 9n };
const contradicts = (finding: string) => ({
  kind: 'standing',
  state: 'CONTRADICTS',
  detail: expect.stringMatching(finding),
});

describe('what a witness answers, and what it means', () => {
  test('a cosignature is stored', () => {
    const signature = { name: 'w', keyId: 1, signature: new Uint8Array(72) };
    expect(judgeReply({ kind: 'cosigned', signature, timestampSeconds: 1n }, shown)).toEqual({
      kind: 'cosigned',
    });
  });

  test('another size, of what this log has shown: asked again from there', () => {
    for (const size of [0n, 4n, 6n, 9n]) {
      expect(judgeReply({ kind: 'size', size }, shown)).toEqual({ kind: 'ask again', oldSize: size });
    }
  });

  test('more than was shown, but no more than this log has signed by now: another node was faster', () => {
    const later = { ...shown, newestSize: 12n };
    expect(judgeReply({ kind: 'size', size: 12n }, later)).toEqual({ kind: 'overtaken' });
    expect(judgeReply({ kind: 'size', size: 10n }, later)).toEqual({ kind: 'overtaken' });
  });

  test('more than this log has ever signed: restored from a backup, cut off, or made anew', () => {
    expect(judgeReply({ kind: 'size', size: 10n }, shown)).toEqual(contradicts('OLDER.* 10 .* 9'));
  });

  test('no growth from what it has cosigned: a fork', () => {
    expect(judgeReply({ kind: 'unproven' }, shown)).toEqual(contradicts('UNPROVEN'));
    expect(judgeReply({ kind: 'size', size: 9n }, { ...shown, oldSize: 9n })).toEqual(contradicts('FORK'));
  });

  test('no answer, or a wrong setting, contradicts nothing', () => {
    expect(judgeReply({ kind: 'away', detail: 'gone' }, shown)).toMatchObject({
      state: 'AWAY',
      detail: 'gone',
    });
    expect(judgeReply({ kind: 'refused', detail: 'no' }, shown)).toMatchObject({ state: 'REFUSES' });
  });

  test('asked again, the answer settles it: no witness makes this log ask for ever', () => {
    const size = fc.bigInt({ min: 0n, max: 20n });
    fc.assert(
      fc.property(size, size, (said, oldSize) => {
        const first = judgeReply({ kind: 'size', size: said }, { oldSize, size: 20n, newestSize: 20n });
        if (first.kind !== 'ask again') return;
        const again = { oldSize: first.oldSize, size: 20n, newestSize: 20n };
        expect(judgeReply({ kind: 'size', size: said }, again)).toMatchObject({
          kind: 'standing',
          state: said === 20n ? 'CONTRADICTS' : 'REFUSES',
        });
      }),
    );
  });
});
