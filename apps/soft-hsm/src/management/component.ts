import type { ManagementMessage } from '@openkdh/hsm-management';
import { Refusal } from '../answer-codes.ts';
import { CommandScope } from '../commands/scope.ts';
import { SoftHsmError } from '../errors.ts';
import { checkValueHex, keyAlgorithms } from '../keys/algorithms.ts';
import { hasOddParity } from '../keys/key-material.ts';
import { custodianBlock } from '../keys/key-rules.ts';
import { requireKnownUsage } from '../keys/key-usages.ts';
import type { Management } from './commands.ts';
import { numberOf, textOf } from './parameters.ts';
import type { ManagementAnswer } from './server.ts';

/**
 * A key component that a custodian enters, as at the console of a payShield: `keyUsage`, `algorithm`, `modeOfUse`,
 * `exportability`, `number` (1 to 9), `custodian`; the component is the payload. Under dual control the custodian's
 * passphrase comes before it in the payload, `passphraseBytes` long, and the block says who entered it. Answer: the
 * component under the LMK, for A4, and its check value.
 */
export async function enterComponent(
  { vault: { machine }, ceremonies }: Management,
  { line, payload }: ManagementMessage,
): Promise<ManagementAnswer> {
  if (machine.auditTrail === undefined)
    throw new SoftHsmError('SOFT_HSM_STATE', `the HSM is ${machine.state}`);
  const custodian = textOf(line, 'custodian');
  const passphraseBytes = machine.dualControl ? numberOf(line, 'passphraseBytes') : 0;
  const component = payload.subarray(passphraseBytes);
  const algorithm = keyAlgorithms[textOf(line, 'algorithm') as keyof typeof keyAlgorithms];
  const number = numberOf(line, 'number');
  if (algorithm === undefined || algorithm.letter === 'D')
    throw new Refusal('A7', 'algorithm: T2, T3, A1, A2 or A3');
  if (number < 1 || number > 9) throw new Refusal('A9', 'number: 1 to 9 expected');
  if (component.length !== algorithm.keyBytes) {
    throw new Refusal('A5', `component: ${algorithm.keyBytes} bytes expected, got ${component.length}`);
  }
  if (algorithm.letter === 'T' && !hasOddParity(component))
    throw new Refusal('10', 'component: odd parity expected');
  const header = {
    keyUsage: textOf(line, 'keyUsage'),
    algorithm: algorithm.letter,
    modeOfUse: textOf(line, 'modeOfUse'),
    keyVersion: `c${number}`,
    exportability: textOf(line, 'exportability'),
    optionalBlocks: machine.dualControl ? [{ id: custodianBlock, data: custodian }] : [],
  };
  requireKnownUsage(header.keyUsage, header.algorithm, header.modeOfUse);
  if (machine.dualControl) await ceremonies.authenticate(custodian, payload.subarray(0, passphraseBytes));

  const scope = new CommandScope(machine, machine.hosts.console);
  const keyBlock = scope.wrapUnderLmk(machine.lmks.get(undefined), header, algorithm, component);
  await machine.auditTrail.append({ event: 'component', custodian, keysOut: scope.keysOut });
  return { line: { keyBlock, kcv: checkValueHex(algorithm, component) } };
}
