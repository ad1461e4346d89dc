/** KSNs of both algorithms, of any length, and saved registers of terminals. */
import assert from 'node:assert/strict';
import {
  AesDukptRegisters,
  DukptError,
  deriveAesInitialKey,
  deriveAesTransactionKeyFromBdk,
  deriveTdesInitialKey,
  deriveTdesTransactionKeyFromBdk,
  formatAesKsn,
  formatTdesKsn,
  initialAesKsn,
  initialTdesKsn,
  nextAesKsn,
  nextTdesKsn,
  padTdesKsn,
  parseAesKsn,
  parseTdesKsn,
  TdesDukptRegisters,
} from '@openkdh/dukpt';
import { refusalCode } from './inputs.mjs';

const bdk = Buffer.from('FEDCBA9876543210F1F1F1F1F1F1F1F1', 'hex');
const bytes = (hex) => new Uint8Array(Buffer.from(hex, 'hex'));

const schemes = [
  { parse: parseTdesKsn, format: formatTdesKsn, initial: initialTdesKsn, next: nextTdesKsn, pad: padTdesKsn },
  { parse: parseAesKsn, format: formatAesKsn, initial: initialAesKsn, next: nextAesKsn, pad: (ksn) => ksn },
];

export const ksns = {
  name: 'KSNs',
  samples: [
    ...['FFFF9876543210E00001', 'FFFF9876543210FFF800', '9876543210EFFC00', '00604B120F9292800000'],
    ...['123456789012345600000001', '1234567890123456FFFF0000', '1234567890123456FFFFFFFF', ''],
  ].map(bytes),
  mutate: mutateBytes,
  read(ksn) {
    const outcomes = schemes.map(({ parse, format, initial, next, pad }) => {
      const refused = refusalCode(DukptError, () => {
        const whole = pad(ksn);
        const fields = parse(whole);
        assert.deepEqual(format(fields), new Uint8Array(whole), 'format does not undo parse');
        assert.equal(parse(initial(whole)).counter, 0);
        assert.ok(parse(next(whole)).counter > fields.counter, 'the next counter is not above');
      });
      return refused ?? 'next';
    });
    outcomes.push(
      refusalCode(DukptError, () => deriveTdesInitialKey(bdk, ksn)),
      refusalCode(DukptError, () => deriveTdesTransactionKeyFromBdk(bdk, ksn)),
      refusalCode(DukptError, () => deriveAesInitialKey(bdk, ksn)),
      refusalCode(DukptError, () => deriveAesTransactionKeyFromBdk(bdk, ksn)),
    );
    return outcomes.join(' ');
  },
};

const initialKey = bytes('6AC292FAA1315B4D858AB3A3D7D5933A');
const tdesRegisters = TdesDukptRegisters.load(initialKey, bytes('FFFF9876543210E00000'));
const aesRegisters = AesDukptRegisters.load(initialKey, bytes('123456789012345600000000'));
for (const registers of [tdesRegisters, aesRegisters]) registers.next();

export const registerStates = {
  name: 'saved registers',
  samples: [tdesRegisters.toState(), aesRegisters.toState()],
  mutate: mutateBytes,
  read(state) {
    return [TdesDukptRegisters, AesDukptRegisters]
      .map((Registers) =>
        refusalCode(DukptError, () => {
          const registers = Registers.fromState(state);
          assert.deepEqual(Buffer.from(registers.toState()), Buffer.from(state), 'another state was saved');
          registers.next();
        }),
      )
      .join(' ');
  },
};

function mutateBytes(random, sample, other) {
  let input = Buffer.from(sample);
  for (let edits = 1 + random.below(3); edits > 0; edits--) {
    const at = random.below(random.chance(30) ? Math.min(input.length, 16) : input.length + 1);
    const put = random.pick([
      random.bytes(random.below(4)),
      Buffer.alloc(random.below(3), 0xff),
      other.subarray(at),
    ]);
    input = Buffer.concat([input.subarray(0, at), put, input.subarray(at + put.length - random.below(2))]);
  }
  if (random.chance(30)) input[random.below(input.length)] ^= 1 << random.below(8);
  return new Uint8Array(input);
}
