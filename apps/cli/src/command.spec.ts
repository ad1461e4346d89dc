import { describe, expect, test } from '@jest/globals';
import { defineCommand } from './command.ts';
import { CliError } from './errors.ts';
import { flag, hex, optional, secretHex } from './members.ts';

/** A command that shows which key it was given, and keeps hold of it. */
function keeping(run: (key: Uint8Array) => object) {
  const kept: Uint8Array[] = [];
  const command = defineCommand({
    name: 'keep',
    summary: '',
    members: { key: secretHex(''), padding: optional(hex('')), quiet: optional(flag('')) },
    run: ({ key }) => {
      kept.push(key);
      return run(key);
    },
    refuses: (answer) => 'no' in answer,
  });
  return { command, kept };
}

const zeros = new Uint8Array(2);
const first = (key: Uint8Array) => ({ first: key[0] });

describe('a secret is wiped', () => {
  test('after an answer', async () => {
    const { command, kept } = keeping(first);
    expect((await command.run({ key: 'ABCD' })).answer).toEqual({ first: 0xab });
    expect(kept).toEqual([zeros]);
  });

  test('after an answer that is awaited', async () => {
    const { command, kept } = keeping((key) => Promise.resolve().then(() => first(key)));
    expect((await command.run({ key: 'ABCD' })).answer).toEqual({ first: 0xab });
    expect(kept).toEqual([zeros]);
  });

  test('after a refusal and after a fault', async () => {
    for (const error of [new CliError('CLI_MEMBER_INVALID', ''), new TypeError()]) {
      const { command, kept } = keeping(() => {
        throw error;
      });
      await command.run({ key: 'ABCD' }).catch(() => {});
      expect(kept).toEqual([zeros]);
    }
  });

  test('but what the caller gave is left as it is, for the next line', async () => {
    const given = new Uint8Array(Buffer.from('ABCD'));
    await keeping(first).command.run({ key: given });
    expect(given).toEqual(new Uint8Array(Buffer.from('ABCD')));
  });
});

describe('outcomes', () => {
  const refusal = (code: string) => ({ answer: { error: { code } }, refusal: { code }, exitCode: 2 });

  test.each([
    ['missing', {}, 'CLI_MEMBER_MISSING'],
    ['null', { key: null }, 'CLI_MEMBER_MISSING'],
    ['unknown', { key: 'ABCD', kye: 'ABCD' }, 'CLI_MEMBER_UNKNOWN'],
    ['an inherited name', { key: 'ABCD', toString: 'ABCD' }, 'CLI_MEMBER_UNKNOWN'],
    ['invalid', { key: 'ABC' }, 'CLI_MEMBER_INVALID'],
    ['invalid although optional', { key: 'ABCD', padding: 1 }, 'CLI_MEMBER_INVALID'],
  ])('%s', async (_, request, code) => {
    expect(await keeping(first).command.run(request)).toMatchObject(refusal(code));
  });

  test('null stands for an optional member that is left out', async () => {
    const { answer, exitCode } = await keeping(first).command.run({ key: 'ABCD', padding: null });
    expect({ answer, exitCode }).toEqual({ answer: { first: 0xab }, exitCode: 0 });
  });

  test('an answer can be a refusal', async () => {
    expect(await keeping(() => ({ no: true })).command.run({ key: 'ABCD' })).toMatchObject({
      answer: { no: true },
      exitCode: 1,
    });
  });

  test('a fault is thrown', async () => {
    const { command } = keeping(() => {
      throw new TypeError('a fault');
    });
    await expect(command.run({ key: 'ABCD' })).rejects.toThrow('a fault');
  });
});
