import { afterEach, describe, expect, test } from '@jest/globals';
import { failpoint, failpointNames, readFailpoints } from './failpoints.ts';

const testLmk = '9D04A0';
const arm = (specification: string) => readFailpoints(specification, testLmk)();
const nothing = 'sweep.commit:before=throw#9999';

/** An effect that says when it ran. */
function counting() {
  const effect = async () => {
    effect.runs += 1;
    return effect.runs;
  };
  effect.runs = 0;
  return effect;
}

describe('failpoints', () => {
  afterEach(() => arm(nothing));

  test.each([
    ['a live LMK', '000001'],
    ['an HSM that does not tell', undefined],
  ])('are refused with %s', (_, lmk) => {
    expect(() => readFailpoints('sent.commit:before=kill', lmk)).toThrow(
      expect.objectContaining({ code: 'FAILPOINTS_LIVE_HSM' }),
    );
  });

  test.each([
    '',
    'sent.commit',
    'sent.commit=kill',
    'sent.commit:during=kill',
    'sent.commit:before=die',
    'sent.commit:before=delay',
    'unknown.name:before=kill',
    'sent.commit:before=kill#0x1',
    'sent.commit:before=kill,',
  ])('are refused as %j', (specification) => {
    expect(() => readFailpoints(specification, testLmk)).toThrow(
      expect.objectContaining({ code: 'FAILPOINTS_INVALID' }),
    );
  });

  test.each(failpointNames)('%s: throw before it leaves the effect undone, after it done', async (name) => {
    const effect = counting();
    arm(`${name}:before=throw`);
    await expect(failpoint(name, effect)).rejects.toMatchObject({ code: 'FAILPOINT' });
    expect(effect.runs).toBe(0);
    arm(`${name}:after=throw`);
    await expect(failpoint(name, effect)).rejects.toMatchObject({ code: 'FAILPOINT' });
    expect(effect.runs).toBe(1);
  });

  test('hold: waits until it is armed once more', async () => {
    const effect = counting();
    const arm = readFailpoints('queue.add:before=hold#1', testLmk);
    arm();
    const held = failpoint('queue.add', effect);
    await new Promise(setImmediate);
    expect(effect.runs).toBe(0);
    arm();
    expect(await held).toBe(1);
    expect(await failpoint('queue.add', effect)).toBe(2);
  });

  test('do nothing until they are armed', async () => {
    const arm = readFailpoints('queue.add:before=throw', testLmk);
    expect(await failpoint('queue.add', counting())).toBe(1);
    arm();
    await expect(failpoint('queue.add', counting())).rejects.toMatchObject({ code: 'FAILPOINT' });
  });

  test('act at the hit they name, and under their own name only', async () => {
    const effect = counting();
    arm('queue.add:before=throw#2');
    await failpoint('job.start', effect);
    await failpoint('queue.add', effect);
    await expect(failpoint('queue.add', effect)).rejects.toMatchObject({ code: 'FAILPOINT' });
    expect(await failpoint('queue.add', effect)).toBe(3);
  });

  test('twice: the effect is repeated, its first answer given', async () => {
    const effect = counting();
    arm('queue.add:after=twice');
    expect(await failpoint('queue.add', effect)).toBe(1);
    expect(effect.runs).toBe(2);
  });

  test('delay waits, hang never comes back', async () => {
    const effect = counting();
    arm('queue.add:before=delay 5, job.start:before=hang');
    expect(await failpoint('queue.add', effect)).toBe(1);
    const hung = failpoint('job.start', effect).then(() => 'back');
    expect(await Promise.race([hung, new Promise((resolve) => setTimeout(resolve, 20, 'waiting'))])).toBe(
      'waiting',
    );
    expect(effect.runs).toBe(1);
  });
});
