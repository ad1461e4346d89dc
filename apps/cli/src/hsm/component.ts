import { defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { hexBytes } from '../hex.ts';
import { choice, count, text } from '../members.ts';
import { withDialogue } from './dialogue.ts';
import { callHsm, statusOf } from './management.ts';
import { socket } from './members.ts';

export const component = defineCommand({
  name: 'hsm component',
  summary:
    'A custodian enters a key component: gives it as a block under the LMK, for the command A4, and its check value.',
  members: {
    socket,
    custodian: text('who enters it'),
    number: count('which component of the key it is, from 1', 9),
    keyUsage: text('key usage of the key, for example B0'),
    algorithm: choice('algorithm and length of the key', ['T2', 'T3', 'A1', 'A2', 'A3']),
    modeOfUse: text('mode of use of the key, for example X'),
    exportability: choice('exportability of the key', ['E', 'N', 'S']),
  },
  interactive: true,
  async run({ socket, ...parameters }) {
    const underDualControl = (await statusOf(socket)).hsmId !== undefined;
    const { custodian, number } = parameters;
    return withDialogue(async ({ askSecret }) => {
      const secrets: Uint8Array[] = [];
      const ask = async (question: string) => {
        const secret = await askSecret(`${custodian}: ${question} (hidden)`);
        secrets.push(secret);
        return secret;
      };
      try {
        const passphrase = underDualControl ? await ask('passphrase of a share') : new Uint8Array();
        const entered = bytesOf(await ask(`component ${number} in hex`));
        secrets.push(entered);
        const payload = Buffer.concat([passphrase, entered]);
        secrets.push(payload);
        const split = { passphraseBytes: passphrase.length };
        return (await callHsm(socket, 'enter-component', { ...parameters, ...split }, payload)).line;
      } finally {
        for (const secret of secrets) secret.fill(0);
      }
    });
  },
});

const space = 0x20;

/** Spaces between the digits are left out, as components are printed in groups. */
function bytesOf(digits: Uint8Array): Uint8Array {
  const close = digits.filter((digit) => digit !== space);
  const bytes = hexBytes(close);
  close.fill(0);
  if (bytes === undefined) {
    throw new CliError('CLI_MEMBER_INVALID', `component: expected an even number of hex digits`);
  }
  return bytes;
}
