import type { HeaderCode } from './findings.ts';
import { type Algorithm, algorithms, type KeyUsageRow, keyUsages, modesOfUse, rowOf } from './tables.ts';

/** A rule broken by usage, algorithm or mode; `from` and `to` count characters from the first of the usage. */
export interface CombinationProblem {
  code: HeaderCode;
  from: number;
  to: number;
  message: string;
}

/**
 * Whether usage(2) algorithm(1) mode(1), which stand side by side in the header and in each set of block DA, are known
 * and fit each other by the rows of `keyUsages`.
 */
export function combinationProblems(
  keyUsage: string,
  algorithm: string,
  modeOfUse: string,
): CombinationProblem[] {
  const problems: CombinationProblem[] = [];
  const usage = rowOf<KeyUsageRow>(keyUsages, keyUsage);
  if (!usage) {
    const code = /^[0-9]{2}$/.test(keyUsage) ? 'TR31_KEY_USAGE_PROPRIETARY' : 'TR31_KEY_USAGE';
    problems.push({ code, from: 0, to: 2, message: `key usage ${keyUsage} is not one of X9.143` });
  }

  if (!rowOf(algorithms, algorithm)) {
    problems.push({ code: 'TR31_ALGORITHM', from: 2, to: 3, message: `algorithm ${algorithm} is not known` });
  } else if (algorithm === 'I' || algorithm === 'J') {
    const message = `algorithm ${algorithm} is of ISO 20038; X9.143 has H and the block HM`;
    problems.push({ code: 'TR31_ALGORITHM_HMAC_HASH', from: 2, to: 3, message });
  }
  if (usage && !usage.algorithms.includes(algorithm) && rowOf(algorithms, algorithm)) {
    const message = `${keyUsage} is for ${lettersOf(usage.algorithms)}, not for ${algorithms[algorithm as Algorithm].meaning} (${algorithm})`;
    problems.push({ code: 'TR31_ALGORITHM_FOR_USAGE', from: 2, to: 3, message });
  }

  if (!rowOf(modesOfUse, modeOfUse)) {
    const code = /^[0-9]$/.test(modeOfUse) ? 'TR31_MODE_PROPRIETARY' : 'TR31_MODE';
    problems.push({ code, from: 3, to: 4, message: `mode of use ${modeOfUse} is not one of X9.143` });
  } else if (usage && !usage.modes.includes(modeOfUse)) {
    const code = modeOfUse === 'N' ? 'TR31_MODE_UNRESTRICTED' : 'TR31_MODE_FOR_USAGE';
    const message = `${keyUsage} allows mode ${lettersOf(usage.modes)}, not ${modeOfUse}`;
    problems.push({ code, from: 3, to: 4, message });
  }
  return problems;
}

function lettersOf(letters: string): string {
  return [...letters].join(' ');
}
