import { expect, test } from '@jest/globals';
import { ksnSpace } from './ksn-space.ts';

test.each([
  ['TDES, ANSI X9.24-1', 'FFFF9876540000200000', { bdkId: 'FFFF987654', device: 1n }],
  ['TDES, the last device', 'FFFF987654FFFFE00000', { bdkId: 'FFFF987654', device: 2n ** 19n - 1n }],
  ['AES, ANSI X9.24-3', '123456789012345600000000', { bdkId: '12345678', device: 0x90123456n }],
])('%s', (_, ksn, space) => expect(ksnSpace(ksn)).toEqual(space));

test.each([
  ['a transaction of TDES', 'FFFF9876540000200001'],
  ['a transaction of AES', '123456789012345600000001'],
  ['lower case', 'ffff9876540000200000'],
  ['another length', 'FFFF98765400002000'],
  ['nothing', ''],
])('%s is no initial KSN', (_, ksn) => expect(ksnSpace(ksn)).toBeUndefined());
