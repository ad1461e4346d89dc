import { expect, test } from '@jest/globals';
import { rows } from './rows.ts';

test('items of several lines are apart; short ones are a line each', () => {
  const answer = {
    state: 'OPERATIONAL',
    officers: [
      { name: 'olga', publicKey: 'AB' },
      { name: 'otto', publicKey: 'CD' },
    ],
    lmks: [],
    shares: [
      { custodian: 'ann', x: 1, threshold: 2 },
      { custodian: 'bob', x: 2, threshold: 2 },
    ],
  };
  expect(rows(answer)).toBe(`state     OPERATIONAL
officers
  olga  AB
  otto  CD
lmks      none
shares
  custodian  ann
  x          1
  threshold  2

  custodian  bob
  x          2
  threshold  2
`);
});
