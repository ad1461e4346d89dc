import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type AllocatableBdk, allocate } from './allocation.ts';

const aes: AllocatableBdk = {
  id: 'aes',
  scheme: 'AES',
  bdkId: '12345678',
  state: 'ACTIVE',
  nextDevice: 1n,
  maxDevices: 1_000n,
  model: null,
};
const tdes: AllocatableBdk = { ...aes, id: 'tdes', scheme: 'TDES', bdkId: 'FFFF987654' };
const both = { model: 'M1', bdkIds: ['aes', 'tdes'] };

describe('KSNs for attempts', () => {
  test('one of each BDK, in the order asked for; the numbers follow each other', () => {
    expect(allocate([aes, tdes], [both, { ...both, bdkIds: ['tdes', 'tdes'] }])).toEqual({
      allocations: [
        { ksns: ['123456780000000100000000', 'FFFF9876540000200000'] },
        { ksns: ['FFFF9876540000400000', 'FFFF9876540000600000'] },
      ],
      used: [
        { ...aes, nextDevice: 2n },
        { ...tdes, nextDevice: 4n },
      ],
      runningShort: [],
    });
  });

  test.each([
    ['a frozen BDK', { ...tdes, state: 'FROZEN' as const }, 'BDK_FROZEN'],
    ['a BDK of another model', { ...tdes, model: 'M2' }, 'BDK_SEGMENT'],
    ['a BDK that has given all', { ...tdes, nextDevice: 1_001n }, 'KSN_SPACE_EXHAUSTED'],
  ])('%s refuses the attempt, and no other BDK gives a KSN for it', (_, bdk, refusal) => {
    expect(allocate([aes, bdk], [both])).toEqual({ allocations: [{ refusal }], used: [], runningShort: [] });
  });

  test('a BDK that is not there any more refuses like a frozen one', () => {
    expect(allocate([aes], [both]).allocations).toEqual([{ refusal: 'BDK_FROZEN' }]);
  });

  test('the last numbers go to those that they suffice for', () => {
    const short = { ...aes, nextDevice: 999n };
    const one = { model: 'M1', bdkIds: ['aes'] };
    const { allocations } = allocate(
      [short],
      [{ model: 'M1', bdkIds: ['aes', 'aes', 'aes'] }, one, one, one],
    );
    expect(allocations).toEqual([
      { refusal: 'KSN_SPACE_EXHAUSTED' },
      { ksns: ['12345678000003E700000000'] },
      { ksns: ['12345678000003E800000000'] },
      { refusal: 'KSN_SPACE_EXHAUSTED' },
    ]);
  });

  test('it says once that a space becomes short: when four fifths are given', () => {
    const one = [{ model: 'M1', bdkIds: ['aes'] }];
    const warned = [799n, 800n, 801n].map(
      (nextDevice) => allocate([{ ...aes, nextDevice }], one).runningShort.length,
    );
    expect(warned).toEqual([0, 1, 0]);
  });

  test('property: no number twice, none left out, none above the most, and none for who is refused', () => {
    const bdk = fc.record({
      state: fc.constantFrom('ACTIVE' as const, 'ACTIVE' as const, 'FROZEN' as const),
      nextDevice: fc.bigInt({ min: 1n, max: 30n }),
      spare: fc.bigInt({ min: 0n, max: 30n }),
      model: fc.constantFrom(null, 'M1', 'M2'),
    });
    const request = fc.record({
      model: fc.constantFrom('M1', 'M2'),
      bdkIds: fc.array(fc.constantFrom('0', '1', '2'), { maxLength: 4 }),
    });
    fc.assert(
      fc.property(fc.array(bdk, { minLength: 3, maxLength: 3 }), fc.array(request), (drawn, requests) => {
        const bdks = drawn.map(({ spare, ...rest }, index) => ({
          ...aes,
          ...rest,
          id: String(index),
          bdkId: `0000000${index}`,
          maxDevices: rest.nextDevice - 1n + spare,
        }));
        const { allocations, used } = allocate(bdks, requests);
        const given = allocations.flatMap((one) => ('ksns' in one ? one.ksns : []));
        for (const before of bdks) {
          const after = used.find(({ id }) => id === before.id) ?? before;
          const devices = given
            .filter((ksn) => ksn.startsWith(before.bdkId))
            .map((ksn) => BigInt(`0x${ksn.slice(8, 16)}`));
          expect(devices).toEqual(devices.map((_, index) => before.nextDevice + BigInt(index)));
          expect(after.nextDevice).toBe(before.nextDevice + BigInt(devices.length));
          expect(after.nextDevice - 1n <= before.maxDevices).toBe(true);
          if (before.state === 'FROZEN') expect(devices).toEqual([]);
        }
        for (const [index, { bdkIds }] of requests.entries()) {
          const one = allocations[index]!;
          if ('ksns' in one) expect(one.ksns.map((ksn) => ksn[7])).toEqual(bdkIds);
        }
      }),
    );
  });
});
