import { wipe } from '@openkdh/block-ciphers';
import {
  type AesKeyType,
  type AesKeyUsage,
  aesKeyTypes,
  aesKeyUsages,
  deriveAesInitialKey,
  deriveAesTransactionKey,
  deriveAesUpdateKey,
  deriveAesWorkingKey,
  deriveTdesInitialKey,
  deriveTdesTransactionKey,
  deriveTdesWorkingKey,
  parseAesKsn,
  type TdesKeyUsage,
  tdesKeyUsages,
} from '@openkdh/dukpt';
import { defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { upperHex } from '../hex.ts';
import { choice, flag, hex, optional, secretHex, type ValuesOf } from '../members.ts';
import { schemeMember } from './scheme.ts';

const usages = [...new Set([...Object.keys(tdesKeyUsages), ...Object.keys(aesKeyUsages)])];

const members = {
  scheme: schemeMember,
  bdk: secretHex('base derivation key'),
  ksn: hex('KSN: 10 bytes (tdes), 12 (aes)'),
  usage: optional(choice('of the working key', usages)),
  type: optional(choice('of the working key (the AES type as long as the BDK)', keysOf(aesKeyTypes))),
  allowStrongerWorkingKey: optional(flag('let the working key be longer than the BDK')),
};

/** The keys on the way from a BDK to one transaction, as far as they were asked for. */
interface Keys {
  ik?: Uint8Array;
  transactionKey?: Uint8Array;
  workingKey?: Uint8Array;
}

/** The keys of one transaction. */
export const key = defineCommand({
  name: 'dukpt key',
  summary:
    'Derives the keys of one transaction: initial key, transaction key and, for a usage, the working key.',
  members,
  run: (values) => {
    if (values.type !== undefined && values.usage === undefined) {
      throw new CliError('CLI_MEMBER_INVALID', 'type: expected a usage beside it, got none');
    }
    const keys: Keys = {};
    try {
      if (values.scheme === 'tdes') deriveTdes(values, keys);
      else deriveAes(values, keys);
      return Object.fromEntries(Object.entries(keys).map(([name, bytes]) => [name, upperHex(bytes)]));
    } finally {
      wipe(keys.ik, keys.transactionKey, keys.workingKey);
    }
  },
});

function deriveTdes({ bdk, ksn, usage, type }: ValuesOf<typeof members>, keys: Keys): void {
  if (type !== undefined && type !== '2TDEA') {
    throw new CliError(
      'CLI_MEMBER_INVALID',
      `type: expected 2TDEA, the only one of scheme tdes, got ${type}`,
    );
  }
  keys.ik = deriveTdesInitialKey(bdk, ksn);
  keys.transactionKey = deriveTdesTransactionKey(keys.ik, ksn);
  // The library refuses a usage of AES.
  if (usage) keys.workingKey = deriveTdesWorkingKey(keys.transactionKey, usage as TdesKeyUsage);
}

function deriveAes(values: ValuesOf<typeof members>, keys: Keys): void {
  const { bdk, ksn, usage, type = `AES${bdk.length * 8}` as AesKeyType, allowStrongerWorkingKey } = values;
  const { counter } = parseAesKsn(ksn);
  keys.ik = deriveAesInitialKey(bdk, ksn.subarray(0, 8));
  if (counter === updateKeyCounter && usage === 'KEK') {
    keys.workingKey = deriveAesUpdateKey(keys.ik, ksn.subarray(0, 8), type, { allowStrongerWorkingKey });
    return;
  }
  keys.transactionKey = deriveAesTransactionKey(keys.ik, ksn);
  if (!usage) return;
  // The library refuses a usage of TDES.
  keys.workingKey = deriveAesWorkingKey(keys.transactionKey, ksn, usage as AesKeyUsage, type, {
    allowStrongerWorkingKey,
  });
}

/** Never that of a transaction: a KEK there is the DUKPT Update Key. ANSI X9.24-3:2017, 6.5.2 and 6.5.3. */
const updateKeyCounter = 0xffffffff;

function keysOf<Name extends string>(table: Readonly<Record<Name, unknown>>): Name[] {
  return Object.keys(table) as Name[];
}
