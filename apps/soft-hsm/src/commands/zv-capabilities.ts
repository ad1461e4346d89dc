import { whatThisIs } from '../firmware.ts';
import { answer, type Command } from './command.ts';
import { commands } from './index.ts';

/** ZV, an extension: what this is, and what it is not; then a line for each command, code and name. */
export const zv: Command = {
  name: 'capabilities',
  kind: 'status',
  prepare: () => () => {
    const lines = Object.entries(commands).map(([code, { name }]) => `${code} ${name}`);
    return answer([whatThisIs, ...lines].map((line) => `${line}\n`).join(''));
  },
};
