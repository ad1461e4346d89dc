import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { logSigner, numberedEntries, SampleLog, text, utf8 } from '../test/sample-log.ts';
import {
  answerAddCheckpoint,
  type Checkpoint,
  consistencyProof,
  formatAddCheckpoint,
  formatCheckpoint,
  formatNote,
  nodeHash,
  parseAddCheckpoint,
  signCheckpoint,
  signText,
  type WitnessAnswer,
} from './index.ts';

const origin = logSigner.key.name;
/** Grown entry by entry, so that it has the tiles of every size. */
function grown(entries: readonly Uint8Array[]): SampleLog {
  const grown = new SampleLog(origin);
  for (const entry of entries) grown.grow([entry]);
  return grown;
}
const log = grown(numberedEntries(40));
/** The same beginning, then other entries: what an operator might show to somebody else. */
const commonSize = 17n;
const fork = grown([...numberedEntries(Number(commonSize)), ...numberedEntries(23, 1_000)]);
const branches = { log, fork };
type Branch = keyof typeof branches;

const noteOf = async (branch: Branch, size: bigint) =>
  signCheckpoint(branches[branch].checkpoint(size), logSigner);
const notes = Object.fromEntries(
  await Promise.all(
    (['log', 'fork'] as const).map(async (branch) => [
      branch,
      await Promise.all(Array.from({ length: 41 }, (_, size) => noteOf(branch, BigInt(size)))),
    ]),
  ),
) as Record<Branch, Uint8Array[]>;

const proofOf = (branch: Branch, oldSize: bigint, size: bigint) =>
  oldSize === 0n || oldSize > size ? [] : consistencyProof(oldSize, size, branches[branch].subtreeHash(size));

const bodyOf = (branch: Branch, oldSize: bigint, size: bigint, proof = proofOf(branch, oldSize, size)) =>
  formatAddCheckpoint({ oldSize, proof, checkpoint: notes[branch][Number(size)]! });

const answerTo = (body: Uint8Array, latest?: Checkpoint): WitnessAnswer =>
  answerAddCheckpoint(body, (asked) => (asked === origin ? { key: logSigner.key, latest } : undefined));

describe('the body of add-checkpoint', () => {
  // C2SP tlog-witness, "add-checkpoint", the example request; its keys are not published.
  const example = `old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
`;

  test('the example of C2SP tlog-witness', () => {
    const parsed = parseAddCheckpoint(utf8(example));
    expect(parsed.oldSize).toBe(20_852_014n);
    expect(parsed.proof).toHaveLength(4);
    expect(text(parsed.checkpoint)).toMatch(/^example\.com\/behind-the-sofa\n20852163\n/);
    expect(text(formatAddCheckpoint(parsed))).toBe(example);
  });

  test.each([
    ['no old size', example.replace('old 20852014\n', '')],
    ['a size with a leading zero', example.replace('old 2', 'old 02')],
    ['a size beyond 2^63 - 1', example.replace('old 20852014', 'old 9223372036854775808')],
    ['a negative size', example.replace('old 20852014', 'old -1')],
    ['a hash of 31 bytes', example.replace(/^PlRN.*$/m, Buffer.alloc(31).toString('base64'))],
    ['a hash that is no base64', example.replace('PlRN', 'P*RN')],
    ['64 hashes', example.replace(/^PlRN.*\n/m, `${Buffer.alloc(32).toString('base64')}\n`.repeat(61))],
    ['carriage returns', example.replaceAll('\n', '\r\n')],
    ['no empty line', example.replaceAll('\n\n', '\n')],
    ['no checkpoint', example.slice(0, example.indexOf('\n\n') + 2)],
    ['nothing', ''],
  ])('400 for %s', (_, body) => {
    expect(answerTo(utf8(body))).toMatchObject({ status: 400 });
  });

  test('400 for bytes that are not UTF-8', () => {
    expect(answerTo(Uint8Array.of(0xff, 0x0a, 0x0a))).toMatchObject({ status: 400 });
  });

  test('whatever it is, there is an answer, and never a cosignature', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.string().map(utf8)), (any) => {
        expect(answerTo(any).status).toBe(400);
      }),
    );
  });

  test('a changed byte of a right request never makes another checkpoint be cosigned', () => {
    const body = bodyOf('log', 17n, 40n);
    for (let at = 0; at < body.length; at++) {
      const changed = Uint8Array.from(body);
      changed[at]! ^= 1;
      const answer = answerTo(changed, log.checkpoint(17n));
      if (answer.status === 200) expect(answer.signed.checkpoint).toEqual(log.checkpoint(40n));
    }
  });
});

describe('answers: C2SP tlog-witness, "add-checkpoint"', () => {
  const at17 = log.checkpoint(17n);

  test('200 for the first checkpoint, for growth, and again for the same', () => {
    expect(answerTo(bodyOf('log', 0n, 17n))).toEqual({
      status: 200,
      signed: { checkpoint: at17, note: notes.log[17] },
    });
    expect(answerTo(bodyOf('log', 17n, 40n), at17)).toMatchObject({ status: 200 });
    expect(answerTo(bodyOf('log', 17n, 17n), at17)).toMatchObject({ status: 200 });
    expect(answerTo(bodyOf('log', 0n, 0n))).toMatchObject({ status: 200 });
  });

  test('404 for another origin, before the signature is looked at', async () => {
    const checkpoint = await signCheckpoint({ ...at17, origin: 'example.com/other' }, logSigner);
    expect(answerTo(formatAddCheckpoint({ oldSize: 0n, proof: [], checkpoint }))).toMatchObject({
      status: 404,
    });
  });

  test('403 without a signature of the log, with one that does not verify', async () => {
    const unsigned = formatNote({
      text: formatCheckpoint(at17),
      signatures: [{ name: origin, keyId: 1, signature: new Uint8Array(64) }],
    });
    const forged = formatNote({
      text: formatCheckpoint(at17),
      signatures: [await signText('another\n', logSigner)],
    });
    for (const checkpoint of [unsigned, forged]) {
      expect(answerTo(formatAddCheckpoint({ oldSize: 0n, proof: [], checkpoint }))).toMatchObject({
        status: 403,
      });
    }
  });

  test('400 for an old size above the new one', () => {
    expect(answerTo(bodyOf('log', 18n, 17n), at17)).toMatchObject({ status: 400 });
  });

  test('409 with its size when the log has not heard of it', () => {
    const answer = answerTo(bodyOf('log', 0n, 40n), at17);
    expect(answer).toMatchObject({ status: 409, latestSize: 17n });
    expect(answer).not.toHaveProperty('finding');
    expect(answerTo(bodyOf('log', 5n, 40n))).toMatchObject({ status: 409, latestSize: 0n });
  });

  test('409 FORK for another root of the same size, whatever the old size', () => {
    for (const oldSize of [0n, 17n, 20n]) {
      expect(answerTo(bodyOf('fork', oldSize, 20n), log.checkpoint(20n))).toMatchObject({
        status: 409,
        latestSize: 20n,
        finding: 'FORK',
      });
    }
  });

  test('409 OLDER for a log that became smaller', () => {
    expect(answerTo(bodyOf('log', 0n, 16n), at17)).toMatchObject({
      status: 409,
      latestSize: 17n,
      finding: 'OLDER',
    });
  });

  test('422 UNPROVEN for growth from another history, and for a proof that does not lead there', () => {
    const at20 = log.checkpoint(20n);
    const other = [nodeHash(new Uint8Array(32), new Uint8Array(32))];
    for (const body of [
      bodyOf('fork', 20n, 40n),
      bodyOf('log', 20n, 40n, []),
      bodyOf('log', 20n, 40n, other),
      bodyOf('log', 20n, 20n, other),
    ]) {
      expect(answerTo(body, at20)).toMatchObject({ status: 422, finding: 'UNPROVEN' });
    }
    expect(answerTo(bodyOf('log', 0n, 40n, other))).toMatchObject({ status: 422 });
  });
});

describe('whatever is asked, in whatever order', () => {
  const size = fc.bigInt({ min: 0n, max: 40n });
  const branch = fc.constantFrom<Branch>('log', 'fork');
  const request = fc.record({
    branch,
    size,
    oldSize: fc.oneof(fc.constant('latest' as const), size),
    proof: fc.oneof(
      { weight: 4, arbitrary: fc.constant('right' as const) },
      fc.record({ branch, from: size, to: size }),
      fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { maxLength: 8 }),
    ),
  });

  test('a witness cosigns one history only, that never shrinks; and always honest growth of it', () => {
    fc.assert(
      fc.property(fc.array(request, { maxLength: 30 }), (requests) => {
        const cosigned: Checkpoint[] = [];
        for (const { branch, size, oldSize: said, proof: given } of requests) {
          const latest = cosigned.at(-1);
          const latestSize = latest?.size ?? 0n;
          const oldSize = said === 'latest' ? latestSize : said;
          const right = proofOf(branch, oldSize, size);
          let proof = right;
          if (Array.isArray(given)) proof = given;
          else if (given !== 'right') proof = proofOf(given.branch, given.from, given.to);
          const answer = answerTo(bodyOf(branch, oldSize, size, proof), latest);

          const follows =
            latest === undefined ||
            Buffer.compare(branches[branch].checkpoint(latestSize).root, latest.root) === 0;
          if (follows && size >= latestSize && oldSize === latestSize && proof === right) {
            expect(answer.status).toBe(200);
          }
          if (answer.status === 200) cosigned.push(answer.signed.checkpoint);
        }
        for (const [n, { size }] of cosigned.entries()) {
          expect(size).toBeGreaterThanOrEqual(cosigned[n - 1]?.size ?? 0n);
        }
        const isOf = (branch: Branch) =>
          cosigned.every(
            ({ size, root }) => Buffer.compare(branches[branch].checkpoint(size).root, root) === 0,
          );
        expect(isOf('log') || isOf('fork')).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
