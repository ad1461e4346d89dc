import { thalesCombinationProblem, thalesKeyUsages } from '@openkdh/tr31/thales';
import { Refusal } from '../answer-codes.ts';

/** Refuses a combination that the usage table does not have: A6 usage, A7 algorithm, A8 mode of use. */
export function requireKnownUsage(keyUsage: string, algorithm: string, modeOfUse: string): void {
  const problem = thalesCombinationProblem(keyUsage, algorithm, modeOfUse);
  if (problem === undefined) return;
  const code = ({ keyUsage: 'A6', algorithm: 'A7', modeOfUse: 'A8' } as const)[problem];
  throw new Refusal(
    code,
    `no key of usage ${keyUsage}, algorithm ${algorithm}, mode ${modeOfUse}: ${problem}`,
  );
}

/** The usage in a TR-31 block of a key whose Thales block says `keyUsage`. Refuses one that has none with A6. */
export function x9143Usage(keyUsage: string): string {
  const row = Object.hasOwn(thalesKeyUsages, keyUsage) ? thalesKeyUsages[keyUsage] : undefined;
  if (row?.x9143 === undefined) throw new Refusal('A6', `usage ${keyUsage} has no form in X9.143`);
  return row.x9143;
}
