import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { hex, toHex } from '../../../test/support/dukpt-vectors.ts';
import {
  AesDukptRegisters,
  aesGcmSealer,
  type DukptRegisters,
  deriveTdesTransactionKey,
  SealedRegisters,
  TdesDukptRegisters,
  type TerminalMemory,
} from './index.ts';

const refusal = (code: string) => expect.objectContaining({ name: 'DukptError', code });
const sealer = aesGcmSealer(new Uint8Array(32).fill(9));
const tdesIk = hex('6AC292FAA1315B4D858AB3A3D7D5933A');
const tdesKsn = hex('FFFF9876543210E00000');
const aesIk = hex('1273671EA26AC29AFA4D1084127652A1');
const aesKsn = hex('123456789012345600000000');

/**
 * Memory that loses power on its nth write: that write and all after it don't happen. Writes take a while, and must
 * not be called at once.
 */
class CuttableMemory implements TerminalMemory {
  state: Uint8Array | undefined;
  sequence = 0;
  writesLeft = Number.POSITIVE_INFINITY;

  readState = async () => this.state && Uint8Array.from(this.state);
  readSequence = async () => this.sequence;

  #writing = false;

  writeState(sealed: Uint8Array): Promise<void> {
    return this.#write(() => {
      this.state = Uint8Array.from(sealed);
    });
  }

  writeSequence(sequence: number): Promise<void> {
    return this.#write(() => {
      if (sequence <= this.sequence) throw new Error(`not monotonic: ${this.sequence} to ${sequence}`);
      this.sequence = sequence;
    });
  }

  async #write(change: () => void): Promise<void> {
    if (this.#writing) throw new Error('two writes at once');
    this.#writing = true;
    await setImmediate();
    this.#writing = false;
    if (this.writesLeft === 0) throw new Error('power cut');
    this.writesLeft--;
    change();
  }
}

const terminals: [string, () => DukptRegisters, (state: Uint8Array) => DukptRegisters][] = [
  ['TDES', () => TdesDukptRegisters.load(tdesIk, tdesKsn), TdesDukptRegisters.fromState],
  ['AES', () => AesDukptRegisters.load(aesIk, aesKsn), AesDukptRegisters.fromState],
];

describe.each(terminals)('%s', (_, load, fromState) => {
  const counterOf = (ksn: Uint8Array) => Buffer.from(ksn).readUInt16BE(ksn.length - 2);

  test('without a cut: the same transactions as the registers alone, through any number of restarts', async () => {
    const memory = new CuttableMemory();
    const alone = load();
    let terminal = await SealedRegisters.load(load(), memory, sealer);
    for (let n = 0; n < 40; n++) {
      expect(await terminal.next()).toEqual(alone.next());
      if (n % 3 === 0) terminal = (await SealedRegisters.open(memory, sealer, fromState))!;
    }
  });

  test('a power cut before, between and after any two writes: no counter twice, none beyond the cut one lost', async () => {
    const writesOfTenTransactions = 2 + 10 * 2;
    for (let cut = 0; cut <= writesOfTenTransactions; cut++) {
      const memory = new CuttableMemory();
      memory.writesLeft = cut;
      const seen: number[] = [];
      const run = async (terminal: SealedRegisters<DukptRegisters>, transactions: number) => {
        for (let n = 0; n < transactions; n++) seen.push(counterOf((await terminal.next()).ksn));
      };
      const firstLife = async () => run(await SealedRegisters.load(load(), memory, sealer), 10);
      if (cut < writesOfTenTransactions) await expect(firstLife()).rejects.toThrow('power cut');
      else await firstLife();
      const usedBeforeCut = seen.length;
      expect(usedBeforeCut).toBe(Math.max(0, Math.floor((cut - 2) / 2)));

      memory.writesLeft = Number.POSITIVE_INFINITY;
      const restored = await SealedRegisters.open(memory, sealer, fromState);
      if (cut === 0) {
        expect(restored).toBeUndefined(); // the load itself was cut off
        continue;
      }
      await run(restored!, 5);
      const burned = cut > 2 && cut % 2 === 1 ? 1 : 0; // state written, sequence not: nobody saw that key
      const expected = Array.from(
        { length: usedBeforeCut + 5 },
        (_, n) => n + 1 + (n < usedBeforeCut ? 0 : burned),
      );
      expect(seen).toEqual(expected);
    }
  });

  test('a power cut during the repair of a power cut', async () => {
    const memory = new CuttableMemory();
    const terminal = await SealedRegisters.load(load(), memory, sealer);
    await terminal.next();
    memory.writesLeft = 1; // the state, not the sequence
    await expect(terminal.next()).rejects.toThrow('power cut');
    await expect(SealedRegisters.open(memory, sealer, fromState)).rejects.toThrow('power cut');
    memory.writesLeft = Number.POSITIVE_INFINITY;
    const restored = await SealedRegisters.open(memory, sealer, fromState);
    expect(counterOf((await restored!.next()).ksn)).toBe(3);
  });

  test('a restored backup is refused, however old', async () => {
    const memory = new CuttableMemory();
    const terminal = await SealedRegisters.load(load(), memory, sealer);
    const backups = [memory.state];
    for (let n = 0; n < 5; n++) {
      await terminal.next();
      backups.push(memory.state);
    }
    for (const backup of backups.slice(0, -1)) {
      memory.state = backup;
      await expect(SealedRegisters.open(memory, sealer, fromState)).rejects.toThrow(
        refusal('DUKPT_STATE_ROLLED_BACK'),
      );
    }
    memory.state = backups.at(-1);
    await expect(SealedRegisters.open(memory, sealer, fromState)).resolves.toBeDefined();
  });

  test('a new key takes the place of the old one, whose backup is refused too', async () => {
    const memory = new CuttableMemory();
    const old = await SealedRegisters.load(load(), memory, sealer);
    await old.next();
    const backup = memory.state;
    const renewed = await SealedRegisters.load(load(), memory, sealer);
    expect(counterOf((await renewed.next()).ksn)).toBe(1);
    memory.state = backup;
    await expect(SealedRegisters.open(memory, sealer, fromState)).rejects.toThrow(
      refusal('DUKPT_STATE_ROLLED_BACK'),
    );
  });

  test('a failed write burns its counter, and the terminal goes on', async () => {
    const memory = new CuttableMemory();
    const terminal = await SealedRegisters.load(load(), memory, sealer);
    memory.writesLeft = 0;
    await expect(terminal.next()).rejects.toThrow('power cut');
    memory.writesLeft = Number.POSITIVE_INFINITY;
    expect(counterOf((await terminal.next()).ksn)).toBe(2);
  });

  test('the key of a failed write is wiped', async () => {
    const memory = new CuttableMemory();
    const registers = load();
    const taken: Uint8Array[] = [];
    const next = registers.next.bind(registers);
    registers.next = () => {
      const transaction = next();
      taken.push(transaction.key);
      return transaction;
    };
    const terminal = await SealedRegisters.load(registers, memory, sealer);
    memory.writesLeft = 0;
    await expect(terminal.next()).rejects.toThrow('power cut');
    expect(taken).toEqual([new Uint8Array(16)]);
  });

  test('calls that overlap get each their own counter, in order', async () => {
    const memory = new CuttableMemory();
    const terminal = await SealedRegisters.load(load(), memory, sealer);
    const transactions = await Promise.all(Array.from({ length: 20 }, () => terminal.next()));
    expect(transactions.map(({ ksn }) => counterOf(ksn))).toEqual(
      Array.from({ length: 20 }, (_, n) => n + 1),
    );
    const restored = await SealedRegisters.open(memory, sealer, fromState);
    expect(counterOf((await restored!.next()).ksn)).toBe(21);
  });

  test('no key of the registers stands in the memory in clear', async () => {
    const memory = new CuttableMemory();
    const alone = load();
    await SealedRegisters.load(load(), memory, sealer);
    for (let n = 0; n < 20; n++) {
      expect(Buffer.from(memory.state!).indexOf(alone.next().key)).toBe(-1);
    }
  });
});

test('a whole life ends in the memory as well', async () => {
  const memory = new CuttableMemory();
  const last = new Uint8Array(3 + 10 + 21 * 16);
  last.set([1, 0x54, 16]);
  last.set(hex('FFFF9876543210FFF800'), 3);
  last.set(deriveTdesTransactionKey(tdesIk, hex('FFFF9876543210FFF800')), 3 + 10 + 11 * 16); // bit 11 is the lowest
  const terminal = await SealedRegisters.load(TdesDukptRegisters.fromState(last), memory, sealer);
  expect(toHex((await terminal.next()).ksn)).toBe('FFFF9876543210FFF800');
  await expect(terminal.next()).rejects.toThrow(refusal('DUKPT_EXHAUSTED'));
  const restored = await SealedRegisters.open(memory, sealer, TdesDukptRegisters.fromState);
  expect(restored!.registers.nextKsn).toBeUndefined();
  await expect(restored!.next()).rejects.toThrow(refusal('DUKPT_EXHAUSTED'));
});

test('the state of one algorithm does not open as the other', async () => {
  const memory = new CuttableMemory();
  await SealedRegisters.load(AesDukptRegisters.load(aesIk, aesKsn), memory, sealer);
  await expect(SealedRegisters.open(memory, sealer, TdesDukptRegisters.fromState)).rejects.toThrow(
    refusal('DUKPT_STATE_INVALID'),
  );
  memory.state = sealer.seal(new Uint8Array(5));
  await expect(SealedRegisters.open(memory, sealer, TdesDukptRegisters.fromState)).rejects.toThrow(
    refusal('DUKPT_STATE_INVALID'),
  );
});

describe('the AES-GCM sealer', () => {
  test('round trip, every time with another nonce', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), (clear) => {
        const sealed = sealer.seal(clear);
        expect(new Uint8Array(sealer.unseal(sealed))).toEqual(clear);
        expect(sealer.seal(clear)).not.toEqual(sealed);
      }),
    );
  });

  test('a flipped bit anywhere, any shorter state and another key fail alike', () => {
    const clear = new Uint8Array(20).fill(1);
    const sealed = sealer.seal(clear);
    const failures = new Set<string>();
    const fail = (call: () => unknown) => {
      expect(call).toThrow(refusal('DUKPT_UNSEAL_FAILED'));
      try {
        call();
      } catch (error) {
        failures.add((error as Error).message);
      }
    };
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const flipped = Uint8Array.from(sealed);
      flipped[bit >>> 3]! ^= 1 << (bit & 7);
      fail(() => sealer.unseal(flipped));
    }
    for (let length = 0; length < sealed.length; length++)
      fail(() => sealer.unseal(sealed.subarray(0, length)));
    fail(() => aesGcmSealer(new Uint8Array(32).fill(8)).unseal(sealed));
    expect(failures.size).toBe(1);
  });

  test('keeps a copy of its key, of 32 bytes, until it is wiped', () => {
    for (let length = 0; length <= 40; length++) {
      if (length === 32) continue;
      expect(() => aesGcmSealer(new Uint8Array(length))).toThrow(refusal('DUKPT_KEY_LENGTH'));
    }
    const key = new Uint8Array(32).fill(5);
    const own = aesGcmSealer(key);
    key.fill(0);
    const sealed = own.seal(new Uint8Array(3));
    expect(new Uint8Array(own.unseal(sealed))).toEqual(new Uint8Array(3));
    own.wipe();
    expect(() => own.unseal(sealed)).toThrow(refusal('DUKPT_WIPED'));
    expect(() => own.seal(new Uint8Array(3))).toThrow(refusal('DUKPT_WIPED'));
  });
});
