import { describe, expect, test } from '@jest/globals';
import { askNewPassphrase, type Dialogue } from './dialogue.ts';

/** A custodian who answers with these lines, in turn. `told`: all that is on the screen. `typed`: the bytes that were read. */
function custodian(canAnswerAgain: boolean, ...lines: string[]) {
  const told: string[] = [];
  const typed: Uint8Array[] = [];
  const dialogue: Dialogue = {
    canAnswerAgain,
    tell: (line) => void told.push(line),
    ask: () => Promise.reject(new Error('nothing is asked that is shown')),
    async askSecret(question) {
      told.push(question);
      const line = lines.shift();
      if (line === undefined) throw new Error('interrupted');
      typed.push(new Uint8Array(Buffer.from(line)));
      return typed.at(-1)!;
    },
  };
  return { dialogue, told, typed, left: lines };
}

const good = 'a good passphrase';
const question = 'ann: a new passphrase, of 12 characters or more (hidden)';
const again = 'The same once more';
const isWiped = (bytes: Uint8Array) => bytes.every((byte) => byte === 0);

describe('a new passphrase', () => {
  test('the rule is in the question, and one that is too short is not asked for again', async () => {
    const ann = custodian(true, 'elevenbytes', good, good);
    const passphrase = await askNewPassphrase('ann: a new passphrase', ann.dialogue);
    expect(Buffer.from(passphrase).toString()).toBe(good);
    expect(ann.told).toEqual([
      question,
      'Not taken: it is too short. Once more from the beginning.',
      question,
      again,
    ]);
    expect(ann.typed.map(isWiped)).toEqual([true, false, true]);
  });

  test('twelve bytes are enough', async () => {
    const ann = custodian(true, 'twelve bytes', 'twelve bytes');
    expect(await askNewPassphrase('ann: a new passphrase', ann.dialogue)).toHaveLength(12);
  });

  test('two that are not the same: from the beginning', async () => {
    const ann = custodian(true, good, 'a good passphrasa', good, good);
    expect(await askNewPassphrase('ann: a new passphrase', ann.dialogue)).toHaveLength(good.length);
    expect(ann.told[2]).toBe('Not taken: these were not the same. Once more from the beginning.');
    expect(ann.typed.map(isWiped)).toEqual([true, true, false, true]);
  });

  test.each([
    ['too short', ['short', 'the passphrase of bob', 'the passphrase of bob']],
    ['not the same', [good, 'another', 'the passphrase of bob']],
  ])(
    'prepared lines that are %s: the lines of the next custodian are not taken for them',
    async (_, lines) => {
      const ann = custodian(false, ...lines);
      await expect(askNewPassphrase('ann: a new passphrase', ann.dialogue)).rejects.toMatchObject({
        code: 'CLI_MEMBER_INVALID',
      });
      expect(ann.left.at(-1)).toBe('the passphrase of bob');
      expect(ann.typed.every(isWiped)).toBe(true);
    },
  );

  test('broken off: what was typed is wiped', async () => {
    const ann = custodian(true, good);
    await expect(askNewPassphrase('ann: a new passphrase', ann.dialogue)).rejects.toThrow('interrupted');
    expect(ann.typed.map(isWiped)).toEqual([true]);
  });
});
