import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import type { LoadResult, TerminalMessage } from '@openkdh/terminal-protocol';
import { behaviourOf, honest, misbehaviourForms, parseMisbehaviour } from './misbehaviour.ts';
import type { Report } from './terminal.ts';

const result: LoadResult = {
  attempt: '00000000-0000-4000-8000-000000000001',
  epoch: 1,
  planHash: 'A'.repeat(64),
  nonceK2: Buffer.alloc(16, 1).toString('base64'),
  results: [
    { slot: 'PIN', code: 0, kcv: '012345', ksn: '1234567890ABCDEF00000000' },
    { slot: 'DATA', code: 0, kcv: 'ABCDEF', ksn: '1234567890ABCDEF0000' },
  ],
  signature: Buffer.from('signature').toString('base64'),
};
const message: TerminalMessage = { t: 'LOAD_RESULT', b: result };
const sign = (report: Report): LoadResult => ({
  ...report,
  signature: Buffer.from('anew').toString('base64'),
});
const kcvs = ({ results }: Report) => results.map(({ kcv }) => kcv);

const behaviour = (text: string, connection = 1, serial = 'T') =>
  behaviourOf([parseMisbehaviour(text)], serial, connection);
const frameOf = (type: string, seq: number) => `{"v":1,"t":"${type}","id":"x","seq":${seq},"b":{"a":1}}`;

describe('how it is asked for', () => {
  test.each(misbehaviourForms.map(([form]) => form))('%s', (form) => {
    const text = form.replace('=MS', '=10').replace('=TYPE', '=LOAD_KEYS');
    expect(behaviour(text)).not.toEqual(honest);
    expect(behaviour(`${text}@OTHER`)).toEqual(honest);
    expect(behaviour(`${text}*2`, 3)).toEqual(honest);
    expect(behaviour(`${text}*2@T`, 2)).not.toEqual(honest);
  });

  test('an argument that may be left out', () => {
    expect(behaviour('slow').delayMs).toBe(2_000);
    expect(behaviour('slow=5').delayMs).toBe(5);
  });

  test.each([
    '',
    'nicely',
    'slow=',
    'slow=x',
    'disconnect-at',
    'garbage=1',
    'wrong-kcv*0',
    'constructor',
    'wrong-kcv@t',
  ])('refused: %s', (text) => {
    expect(() => parseMisbehaviour(text)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
  });

  test('several at once', () => {
    const both = behaviourOf([parseMisbehaviour('wrong-kcv'), parseMisbehaviour('no-pong')], 'T', 1);
    expect(both.answersPings).toBe(false);
    expect(kcvs(both.report(result))).toEqual(['112345', '0BCDEF']);
  });
});

test('docs/terminal-sim.md has every one, in the same words', () => {
  const page = readFileSync(new URL('../../../docs/terminal-sim.md', import.meta.url), 'utf8');
  const rows = misbehaviourForms.map(([form, does]) => `| \`${form}\` | ${does} |`);
  expect(page).toContain(`|---|---|\n${rows.join('\n')}\n\n`);
});

describe('what it does', () => {
  test('lies before signing', () => {
    expect(kcvs(behaviour('wrong-kcv').report(result))).toEqual(['112345', '0BCDEF']);
    expect(behaviour('wrong-plan-hash').report(result).planHash).not.toBe(result.planHash);
    expect(behaviour('wrong-nonce').report(result).nonceK2).not.toBe(result.nonceK2);
    expect(behaviour('missing-slot').report(result).results).toEqual(result.results.slice(0, 1));
  });

  test('lies after signing', () => {
    expect(behaviour('flip-result').leaving(message, sign)).toEqual([
      {
        t: 'LOAD_RESULT',
        b: { ...result, results: [expect.objectContaining({ kcv: '112345' }), expect.anything()] },
      },
    ]);
    const signature = Uint8Array.of(1, 2, 3);
    expect(behaviour('wrong-signature').signature(signature)).toEqual(Uint8Array.of(1, 2, 2));
  });

  test('says it twice, or never', () => {
    expect(behaviour('duplicate-result').leaving(message, sign)).toEqual([message, message]);
    const [first, second] = behaviour('conflicting-result').leaving(message, sign) as TerminalMessage[];
    expect(first).toEqual(message);
    expect(second!.b).toMatchObject({ signature: Buffer.from('anew').toString('base64') });
    expect(kcvs(second!.b as LoadResult)).toEqual(['112345', '0BCDEF']);
    expect(behaviour('no-result').leaving(message, sign)).toEqual([]);
    const inventory: TerminalMessage = { t: 'INVENTORY', b: { slots: [] } };
    expect(behaviour('no-result').leaving(inventory, sign)).toEqual([inventory]);
    expect(behaviour('silent').leaving(inventory, sign)).toEqual([]);
  });

  test('leaves at a step, whoever speaks there', () => {
    expect(behaviour('disconnect-at=LOAD_KEYS').arriving('LOAD_KEYS')).toBe('disconnect');
    expect(behaviour('disconnect-at=LOAD_KEYS').arriving('LOAD_ACK')).toBe('handle');
    expect(behaviour('disconnect-at=LOAD_RESULT').leaving(message, sign)).toBe('disconnect');
  });

  test('turns one bit of a key block over', () => {
    const block = 'D0112B1AX00N0000'.padEnd(112, 'A');
    const flipped = behaviour('flip-block').keyBlock(block);
    expect(flipped).toHaveLength(block.length);
    expect([...flipped].filter((character, at) => character !== block[at])).toEqual(['B']);
  });

  test('breaks the order of frames', () => {
    const [hello, second] = [frameOf('HELLO', 1), frameOf('RANDOM', 2)];
    const { frames } = behaviour('out-of-order');
    expect(frames(hello, 'HELLO')).toEqual([hello]);
    expect(frames(second, 'RANDOM')).toEqual([frameOf('RANDOM', 3)]);
    const replay = behaviour('replay-frame').frames;
    expect(replay(hello, 'HELLO')).toEqual([hello]);
    expect(replay(second, 'RANDOM')).toEqual([second, second]);
  });

  test.each(['garbage', 'oversize', 'binary'])('%s: once, before the first frame after HELLO', (name) => {
    const { frames } = behaviour(name);
    expect(frames('hello', 'HELLO')).toEqual(['hello']);
    expect(frames('second', 'RANDOM')).toEqual([expect.anything(), 'second']);
    expect(frames('third', 'RANDOM')).toEqual(['third']);
  });

  test('spoils a frame', () => {
    const frame = frameOf('RANDOM', 2);
    expect(behaviour('malformed').frames(frame, 'RANDOM')).toEqual([frame.replace('{"a":1}', '{}')]);
    expect(behaviour('unknown-type').frames(frame, 'RANDOM')).toEqual([
      frame.replace('RANDOM', 'MAKE_COFFEE'),
    ]);
  });
});
