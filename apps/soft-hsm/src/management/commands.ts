import { Refusal } from '../answer-codes.ts';
import { CommandScope } from '../commands/scope.ts';
import { SoftHsmError } from '../errors.ts';
import { firmware } from '../firmware.ts';
import { checkValueHex, keyAlgorithms } from '../keys/algorithms.ts';
import { hasOddParity } from '../keys/key-material.ts';
import { requireKnownUsage } from '../keys/key-usages.ts';
import type { Machine } from '../machine.ts';
import type { ManagementMessage } from './messages.ts';
import type { ManagementAnswer } from './server.ts';

type ManagementCommand = (
  machine: Machine,
  message: ManagementMessage,
) => ManagementAnswer | Promise<ManagementAnswer>;

/** Carries out a command of the management socket. Throws SOFT_HSM_USAGE for one that it has not. */
export function manage(
  machine: Machine,
  message: ManagementMessage,
): ManagementAnswer | Promise<ManagementAnswer> {
  const { command } = message.line;
  if (typeof command !== 'string' || !Object.hasOwn(managementCommands, command)) {
    const known = Object.keys(managementCommands).join(', ');
    throw new SoftHsmError('SOFT_HSM_USAGE', `command: one of ${known} expected`);
  }
  return managementCommands[command]!(machine, message);
}

const managementCommands: Readonly<Record<string, ManagementCommand>> = {
  /** What this HSM is and how it is. */
  status({ state, lmks, auditTrail }) {
    return {
      line: {
        what: 'OpenKDH soft HSM: for development, tests and training; not a secure cryptographic device',
        state,
        firmware,
        lmks: lmks.all.map(({ id, status, algorithm, checkValue }) => ({
          id,
          status,
          algorithm,
          checkValue,
        })),
        auditLog: auditTrail?.head,
      },
    };
  },

  /**
   * A key component that a custodian enters: `keyUsage`, `algorithm`, `modeOfUse`, `exportability`, `number` (1 to 9);
   * the component is the payload. Answer: the component under the LMK, for A4, and its check value. On a payShield
   * this is done at the console.
   */
  async 'enter-component'(machine, { line, payload }) {
    const algorithm = keyAlgorithms[textOf(line, 'algorithm') as keyof typeof keyAlgorithms];
    const number = line['number'];
    if (algorithm === undefined || algorithm.letter === 'D')
      throw new Refusal('A7', 'algorithm: T2, T3, A1, A2 or A3');
    if (!Number.isInteger(number) || (number as number) < 1 || (number as number) > 9) {
      throw new Refusal('A9', 'number: 1 to 9 expected');
    }
    if (payload.length !== algorithm.keyBytes) {
      throw new Refusal('A5', `component: ${algorithm.keyBytes} bytes expected, got ${payload.length}`);
    }
    if (algorithm.letter === 'T' && !hasOddParity(payload))
      throw new Refusal('10', 'component: odd parity expected');
    const header = {
      keyUsage: textOf(line, 'keyUsage'),
      algorithm: algorithm.letter,
      modeOfUse: textOf(line, 'modeOfUse'),
      keyVersion: `c${number}`,
      exportability: textOf(line, 'exportability'),
      optionalBlocks: [],
    };
    requireKnownUsage(header.keyUsage, header.algorithm, header.modeOfUse);
    const scope = new CommandScope(machine, machine.hosts.console);
    const keyBlock = scope.wrapUnderLmk(machine.lmks.get(undefined), header, algorithm, payload);
    await machine.auditTrail!.append({ event: 'component', keysOut: scope.keysOut });
    return { line: { keyBlock, kcv: checkValueHex(algorithm, payload) } };
  },
};

function textOf(line: Record<string, unknown>, name: string): string {
  const value = line[name];
  if (typeof value !== 'string') throw new SoftHsmError('SOFT_HSM_USAGE', `${name}: text expected`);
  return value;
}
