import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { aesVectors, hex, tdesVectors, toHex } from '../../../test/support/dukpt-vectors.ts';
import { aesCounter, type CounterRule, countOneBits, nextCounter, tdesCounter } from './counter.ts';
import {
  AesDukptRegisters,
  AesKeyPath,
  deriveAesTransactionKey,
  deriveAesUpdateKey,
  deriveTdesTransactionKey,
  nextAesKsn,
  nextTdesKsn,
  parseTdesKsn,
  TdesDukptRegisters,
  TdesKeyPath,
} from './index.ts';
import { aesKsnAt, tdesKsnAt } from './ksn.ts';
import { filledRegisters } from './registers.ts';

const refusal = (code: string) => expect.objectContaining({ name: 'DukptError', code });
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

const tdesIk = hex('6AC292FAA1315B4D858AB3A3D7D5933A');
const tdesKsn = hex('FFFF9876543210E00000');
const aesIk = hex('1273671EA26AC29AFA4D1084127652A1');
const aesKsn = hex('123456789012345600000000');

/** A state made from the host's side: what a terminal that got as far as `counter` must hold. */
function stateAt(
  rule: CounterRule,
  ksn: Uint8Array,
  keyBytes: number,
  counter: number,
  keyOf: (counter: number) => Uint8Array,
): Uint8Array {
  const filled = filledRegisters(rule, counter);
  const registers: Uint8Array[] = [];
  for (let n = 0; n < rule.bits; n++) {
    const above = counter - (counter % 2 ** (n + 1));
    registers.push((filled & (1 << n)) === 0 ? new Uint8Array(keyBytes) : keyOf(above + 2 ** n));
  }
  const header = Uint8Array.of(1, rule === tdesCounter ? 0x54 : 0x41, keyBytes);
  return new Uint8Array(Buffer.concat([header, ksn, ...registers]));
}

const tdesStateAt = (counter: number) =>
  stateAt(tdesCounter, tdesKsnAt(tdesKsn, counter), 16, counter, (at) =>
    deriveTdesTransactionKey(tdesIk, tdesKsnAt(tdesKsn, at)),
  );

const aesStateAt = (counter: number, ik = aesIk) =>
  stateAt(aesCounter, aesKsnAt(aesKsn, counter), ik.length, counter, (at) =>
    deriveAesTransactionKey(ik, aesKsnAt(aesKsn, at)),
  );

describe('TDES', () => {
  test('X9.24-1:2009 A.4.2: the initial sequence comes out of the registers', () => {
    const registers = TdesDukptRegisters.load(tdesIk, tdesKsn);
    for (const row of tdesVectors.cases.filter(({ id }) => id.startsWith('tdes-init'))) {
      expect(toHex(registers.nextKsn!)).toBe(row.ksn);
      const { ksn, key } = registers.next();
      expect([toHex(ksn), toHex(key)]).toEqual([row.ksn, row.transactionKey]);
    }
  });

  test('X9.24-1:2009 A.4.3: so does the rollover sequence', () => {
    for (const row of tdesVectors.cases.filter(({ id }) => !id.startsWith('tdes-init'))) {
      const registers = TdesDukptRegisters.fromState(tdesStateAt(parseTdesKsn(hex(row.ksn)).counter));
      const { ksn, key } = registers.next();
      expect([toHex(ksn), toHex(key)]).toEqual([row.ksn, row.transactionKey]);
    }
  });

  test('the last 169,766 transactions of a life, each with the key of the host, then the end for ever', () => {
    const registers = TdesDukptRegisters.fromState(tdesStateAt(0x180000));
    const path = new TdesKeyPath(tdesIk, tdesKsn);
    let ksn = tdesKsnAt(tdesKsn, 0x17ffff);
    let transactions = 0;
    for (; registers.nextKsn; transactions++) {
      ksn = nextTdesKsn(ksn);
      const transaction = registers.next();
      const agreed = Buffer.compare(transaction.key, path.transactionKey(ksn)) === 0;
      if (!agreed || Buffer.compare(transaction.ksn, ksn) !== 0) throw new Error(`differs at ${toHex(ksn)}`);
    }
    expect(transactions).toBe(169_766); // 19 free bits with at most 8 ones
    expect(registers.nextKsn).toBeUndefined();
    expect(() => registers.next()).toThrow(refusal('DUKPT_EXHAUSTED'));
    const state = registers.toState();
    expect(toHex(state)).toBe(`015410FFFF9876543210E00000${'00'.repeat(21 * 16)}`); // no key left, counter 0
    const restored = TdesDukptRegisters.fromState(state);
    expect(restored.nextKsn).toBeUndefined();
    expect(() => restored.next()).toThrow(refusal('DUKPT_EXHAUSTED'));
    expect(() => restored.next()).toThrow(refusal('DUKPT_EXHAUSTED'));
  });
});

describe('AES', () => {
  test('the ASC X9 supplement comes out of the registers', () => {
    const rows = aesVectors.cases.filter(({ kind }) => kind === 'transactionKey');
    for (const row of rows) {
      const counter = Number.parseInt(row.ksn.slice(16), 16);
      if (countOneBits(counter) > 16) continue; // no terminal comes to 0001FFFF and FFFFFFFF
      const ik = hex(aesVectors.cases.find(({ kind, bdk }) => kind === 'ik' && bdk === row.bdk)!.value);
      const registers = AesDukptRegisters.fromState(aesStateAt(counter, ik));
      const { ksn, key } = registers.next();
      expect([toHex(ksn), toHex(key)]).toEqual([row.ksn, row.value]);
    }
  });

  test.each([16, 24, 32])('in order with a key of %i bytes, the host agrees', (length) => {
    const ik = new Uint8Array(length).fill(0x5a);
    const path = new AesKeyPath(ik, aesKsn);
    for (const start of [1, 0xfffe, 0x1fff0, 0x7fff8000, 0xfffe8000, 0xffff0000]) {
      const counter = nextCounter(aesCounter, start - 1)!;
      const registers = AesDukptRegisters.fromState(aesStateAt(counter, ik));
      let at = aesKsnAt(aesKsn, counter - 1);
      for (let n = 0; n < 100 && registers.nextKsn; n++) {
        at = nextAesKsn(at);
        expect(registers.next()).toEqual({ ksn: at, key: path.transactionKey(at) });
      }
    }
  });

  test('the last transaction, then the end for ever', () => {
    const registers = AesDukptRegisters.fromState(aesStateAt(0xffff0000));
    expect(toHex(registers.next().ksn)).toBe('1234567890123456FFFF0000');
    expect(() => registers.next()).toThrow(refusal('DUKPT_EXHAUSTED'));
    expect(toHex(registers.toState())).toBe(`014110123456789012345600000000${'00'.repeat(32 * 16)}`);
    expect(() => registers.updateKey('AES128')).toThrow(refusal('DUKPT_EXHAUSTED'));
    expect(() => AesDukptRegisters.fromState(registers.toState()).next()).toThrow(refusal('DUKPT_EXHAUSTED'));
  });

  test('both engines', () => {
    const table = AesDukptRegisters.load(aesIk, aesKsn);
    const openssl = AesDukptRegisters.load(aesIk, aesKsn, 'openssl');
    for (let n = 0; n < 20; n++) expect(openssl.next()).toEqual(table.next());
    const restored = AesDukptRegisters.fromState(openssl.toState(), 'openssl');
    expect(restored.next()).toEqual(table.next());
  });

  test('X9.24-3:2017 6.5.3: the update key is that of the host at every age of the terminal', () => {
    const updateKey = deriveAesUpdateKey(aesIk, aesKsn.subarray(0, 8), 'AES128');
    expect(toHex(updateKey)).toBe('9A9770AEE1ACD1B13473D0463A1883B9');
    fc.assert(
      fc.property(fc.oneof(fc.nat(0xfffeffff), fc.integer({ min: 0xff000000, max: 0xfffeffff })), (below) => {
        const registers = AesDukptRegisters.fromState(aesStateAt(nextCounter(aesCounter, below)!));
        const before = registers.toState();
        expect(registers.updateKey('AES128')).toEqual(updateKey);
        expect(registers.toState()).toEqual(before);
      }),
    );
    expect(AesDukptRegisters.fromState(aesStateAt(0xffff0000)).updateKey('AES128')).toEqual(updateKey);
    const registers = AesDukptRegisters.load(aesIk, aesKsn);
    expect(() => registers.updateKey('3TDEA')).toThrow(refusal('DUKPT_KEY_TOO_STRONG'));
    expect(toHex(registers.updateKey('3TDEA', { allowStrongerWorkingKey: true }))).toBe(
      'AF82BE8533CFCA526DA71708667AD0BBC7A7517504C78C8A',
    );
  });
});

describe('the registers at any age', () => {
  const anyTdes = fc.nat(0x1ff7ff).map((below) => nextCounter(tdesCounter, below)!);
  const anyAes = fc.nat(0xfffeffff).map((below) => nextCounter(aesCounter, below)!);

  test('hold exactly what the counter says: after a step the state is the one that the host computes', () => {
    fc.assert(
      fc.property(anyTdes, anyAes, (tdes, aes) => {
        const tdesRegisters = TdesDukptRegisters.fromState(tdesStateAt(tdes));
        tdesRegisters.next();
        expect(tdesRegisters.toState()).toEqual(tdesStateAt(nextCounter(tdesCounter, tdes) ?? 0));
        const aesRegisters = AesDukptRegisters.fromState(aesStateAt(aes));
        aesRegisters.next();
        expect(aesRegisters.toState()).toEqual(aesStateAt(nextCounter(aesCounter, aes) ?? 0));
      }),
    );
  });

  test('hold neither the used key nor the initial key', () => {
    fc.assert(
      fc.property(bytes(16), fc.nat(40), (ik, transactions) => {
        const registers = TdesDukptRegisters.load(ik, tdesKsn);
        const used: Uint8Array[] = [ik];
        for (let n = 0; n < transactions; n++) used.push(registers.next().key);
        const state = Buffer.from(registers.toState());
        for (const key of used) expect(state.indexOf(key)).toBe(-1);
      }),
    );
  });

  test('a copy of the used key is no part of the registers', () => {
    const registers = TdesDukptRegisters.load(tdesIk, tdesKsn);
    registers.next().key.fill(0);
    expect(registers.toState()).toEqual(tdesStateAt(2));
  });

  test('wiped: nothing is left, and nothing more comes', () => {
    const registers = TdesDukptRegisters.load(tdesIk, tdesKsn);
    registers.wipe();
    expect(toHex(registers.toState())).toBe(`015410FFFF9876543210E00000${'00'.repeat(21 * 16)}`);
    expect(() => registers.next()).toThrow(refusal('DUKPT_EXHAUSTED'));
  });
});

describe('refusals', () => {
  test('a KSN in use can not be loaded', () => {
    for (const counter of [1, 0x1ff800, 0x1fffff]) {
      const load = () => TdesDukptRegisters.load(tdesIk, tdesKsnAt(tdesKsn, counter));
      expect(load).toThrow(refusal('DUKPT_KSN_NOT_INITIAL'));
    }
    for (const counter of [1, 0xffff0000, 0xffffffff]) {
      const load = () => AesDukptRegisters.load(aesIk, aesKsnAt(aesKsn, counter));
      expect(load).toThrow(refusal('DUKPT_KSN_NOT_INITIAL'));
    }
  });

  test('every wrong length of key and KSN', () => {
    for (let length = 0; length <= 33; length++) {
      const wrong = new Uint8Array(length);
      if (length !== 16) {
        expect(() => TdesDukptRegisters.load(wrong, tdesKsn)).toThrow(refusal('DUKPT_KEY_LENGTH'));
      }
      if (![16, 24, 32].includes(length)) {
        expect(() => AesDukptRegisters.load(wrong, aesKsn)).toThrow(refusal('DUKPT_KEY_LENGTH'));
      }
      if (length !== 10) {
        expect(() => TdesDukptRegisters.load(tdesIk, wrong)).toThrow(refusal('DUKPT_KSN_LENGTH'));
      }
      if (length !== 12) {
        expect(() => AesDukptRegisters.load(aesIk, wrong)).toThrow(refusal('DUKPT_KSN_LENGTH'));
      }
    }
  });

  test('a state of every other length, version, algorithm or counter', () => {
    const invalid = refusal('DUKPT_STATE_INVALID');
    const tdes = tdesStateAt(5);
    const aes = aesStateAt(5);
    for (let length = 0; length < tdes.length; length++) {
      expect(() => TdesDukptRegisters.fromState(tdes.subarray(0, length))).toThrow(invalid);
    }
    for (let length = 0; length < aes.length; length++) {
      expect(() => AesDukptRegisters.fromState(aes.subarray(0, length))).toThrow(invalid);
    }
    expect(() => TdesDukptRegisters.fromState(new Uint8Array([...tdes, 0]))).toThrow(invalid);
    expect(() => TdesDukptRegisters.fromState(aes)).toThrow(invalid);
    expect(() => AesDukptRegisters.fromState(tdes)).toThrow(invalid);
    for (let at = 0; at < 3; at++) {
      const changed = Uint8Array.from(tdes);
      changed[at]! ^= 0x08;
      expect(() => TdesDukptRegisters.fromState(changed)).toThrow(invalid);
    }
    const beyond = new Uint8Array(tdes.length);
    beyond.set(tdes.subarray(0, 3));
    beyond.set(tdesKsnAt(tdesKsn, 0x1fffff), 3);
    expect(() => TdesDukptRegisters.fromState(beyond)).toThrow(invalid);
    const zero = Uint8Array.from(tdes);
    zero.set(tdesKsn, 3);
    expect(() => TdesDukptRegisters.fromState(zero)).toThrow(invalid); // counter 0 has no keys
    for (const [state, fromState, keysAt] of [
      [tdes, TdesDukptRegisters.fromState, 13],
      [aes, AesDukptRegisters.fromState, 15],
    ] as const) {
      const revived = Uint8Array.from(state);
      revived[keysAt + 2 * 16] = 1; // the register of bit 2 was used by counter 4
      expect(() => fromState(revived)).toThrow(invalid);
    }
  });
});
