import { formatVerifierKey } from '@openkdh/transparency-log';
import { defineCommand } from '../command.ts';
import { text } from '../members.ts';
import { createState } from './state-file.ts';

export const initWitness = defineCommand({
  name: 'witness init',
  summary:
    'Makes a witness, for the machine of an auditor: its key, in a new state file. Shows its verifier key.',
  members: {
    state: text('file to make for the state'),
    name: text('name of the witness and its key, for example auditor.example/witness-1'),
  },
  run: ({ state, name }) => ({ key: formatVerifierKey(createState(state, name).key) }),
  text: ({ key }) => `${key}\n`,
});
