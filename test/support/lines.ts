import { readFileSync } from 'node:fs';

/** The complete lines of a file in latin1, such as an audit log of the HSM. */
export const linesOf = (path: string): string[] => readFileSync(path, 'latin1').split('\n').slice(0, -1);
