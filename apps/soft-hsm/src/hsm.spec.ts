import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { InProcessHsm, messageOf, payshield } from '../../../test/support/soft-hsm-in-process.ts';
import { answerCodes } from './answer-codes.ts';
import { commands } from './commands/index.ts';
import { responseCode } from './wire/message.ts';

const codes = Object.keys(answerCodes);
/** EI makes a key pair of what fits it; nothing else takes long. */
const quickCommands = Object.keys(commands).filter((code) => code !== 'EI');
const recorded = payshield.a0_mode_b.exchanges.map(({ request_frame_hex }) => messageOf(request_frame_hex));

describe('any message', () => {
  const expectAnswer = async (message: Uint8Array) => {
    const hsm = new InProcessHsm(); // its own: a host that sends broken key blocks is shut out
    const answer = await hsm.answer(message);
    if (message.length < 6) {
      expect(answer).toBeUndefined();
      return;
    }
    expect(answer!.subarray(0, 4).equals(Buffer.from(message.subarray(0, 4)))).toBe(true);
    const command = Buffer.from(message).toString('latin1', 4, 6);
    expect(answer!.toString('latin1', 4, 6)).toBe(responseCode(command));
    expect(codes).toContain(answer!.toString('latin1', 6, 8));
    expect(hsm.logLines.filter((line) => line.includes('internal error'))).toEqual([]);
  };

  test('of any bytes is answered with a code of the set', async () => {
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 80 }), expectAnswer), { numRuns: 500 });
  });

  test('with a known command and any fields', async () => {
    const fields = fc.oneof(
      fc.uint8Array({ maxLength: 120 }),
      fc.string({ maxLength: 120 }).map((s) => Buffer.from(s, 'latin1')),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...quickCommands), fields, (command, body) =>
        expectAnswer(Buffer.concat([Buffer.from(`HEAD${command}`), body])),
      ),
      { numRuns: 1000 },
    );
  });

  test('a recorded request with bytes changed, inserted or cut', async () => {
    const edit = fc.record({
      at: fc.nat(270),
      byte: fc.nat(255),
      kind: fc.constantFrom('change', 'insert', 'cut'),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...recorded),
        fc.array(edit, { minLength: 1, maxLength: 3 }),
        (message, edits) => {
          const changed = edits.reduce<Buffer>((bytes, { at, byte, kind }) => {
            const head = bytes.subarray(0, at);
            if (kind === 'cut') return head;
            return Buffer.concat([head, Buffer.of(byte), bytes.subarray(kind === 'change' ? at + 1 : at)]);
          }, message);
          return expectAnswer(changed);
        },
      ),
      { numRuns: 500 },
    );
  });

  const hsm = new InProcessHsm();

  test('longer than the I/O buffer: 80', async () => {
    const message = (length: number) =>
      Buffer.concat([Buffer.from('HEADB2'), Buffer.alloc(length - 6, 0x30)]);
    expect((await hsm.answer(message(32 * 1024)))!.toString('latin1')).toMatch(/^HEADB315/);
    expect((await hsm.answer(message(32 * 1024 + 1)))!.toString('latin1')).toBe('HEADB380');
    expect((await hsm.answer(message(0xffff)))!.toString('latin1')).toBe('HEADB380');
  });

  test('68: a command that this HSM has not, whatever its bytes', async () => {
    for (const command of ['ZZ', 'A1', 'a0', '__', '\x00\xff']) {
      expect((await hsm.answer(Buffer.from(`HEAD${command}`, 'latin1')))!.toString('latin1', 6)).toBe('68');
    }
  });

  test('the trailer comes back, with an error too', async () => {
    expect(await hsm.call('NC\x19abc')).toBe('ND009D04A000000000000000-0001\x19abc');
    expect(await hsm.call('NC%05\x19abc')).toBe('ND13\x19abc');
    expect(await hsm.call('ZZ\x19abc')).toBe('Z[68\x19abc');
    expect(await hsm.call('NCx\x19abc')).toBe('ND15\x19abc');
  });

  test('a header of any bytes comes back', async () => {
    const header = Buffer.from('0019ff00', 'hex');
    const answer = await hsm.answer(Buffer.concat([header, Buffer.from('B20000')]));
    expect(answer).toEqual(Buffer.concat([header, Buffer.from('B300')]));
  });
});

describe('the audit log', () => {
  const keyCommand = `A00FFFS#K0A1N00E00`;

  test('has a record of every command that uses keys, refused ones too, and of no other', async () => {
    const hsm = new InProcessHsm();
    for (const command of ['NC', 'NO00', 'N0008', 'B20000', 'JK', 'ZC', 'ZZ', keyCommand, 'A0', 'BU']) {
      await hsm.call(command);
    }
    expect(hsm.entries).toMatchObject([
      { event: 'command', client: 'local', command: 'A0', result: '00' },
      { event: 'command', command: 'A0', result: '15' },
      { event: 'command', command: 'BU', result: '15' },
    ]);
  });

  test('names the key blocks that went in and came out by fingerprint, and holds none of them', async () => {
    const hsm = new InProcessHsm();
    await hsm.answer(recorded[0]!);
    const fingerprint = expect.stringMatching(/^[0-9A-F]{64}$/);
    expect(hsm.entries).toMatchObject([
      { keysIn: [fingerprint, fingerprint], keysOut: [fingerprint, fingerprint] },
    ]);
    const { bdk_block, zmk_block } = payshield.a0_mode_b.fields;
    const everything = JSON.stringify(hsm.entries) + hsm.logLines.join('');
    for (const field of [bdk_block, zmk_block, ...Object.values(payshield.a0_mode_b.clear)]) {
      expect(everything).not.toContain(field.slice(1, 60));
    }
  });

  test('counts the keys that left', async () => {
    const hsm = new InProcessHsm();
    for (const message of recorded) await hsm.answer(message);
    await hsm.call(keyCommand);
    expect(hsm.operations).toBe(8); // 8 of 12 recorded exchanges released a key; a generated one stays
    expect(await hsm.call('ZC')).toBe('ZD0000000000000000000008');
  });

  test('is written before the answer leaves', async () => {
    let onDisk: (() => void) | undefined;
    const hsm = new InProcessHsm({
      append: () =>
        new Promise((resolve) => {
          onDisk = resolve;
        }),
    });
    let answered = false;
    const answer = hsm.call(keyCommand).then(() => {
      answered = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(answered).toBe(false);
    onDisk!();
    await answer;
  });

  test('when it cannot be written: 41, and no more command that uses keys', async () => {
    let appended = 0;
    const hsm = new InProcessHsm({
      append: async () => {
        appended += 1;
        throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      },
    });
    expect(await hsm.call(keyCommand)).toBe('A141');
    expect(await hsm.call(keyCommand)).toBe('A141');
    expect(await hsm.call('NC')).toBe('ND009D04A000000000000000-0001');
    expect(appended).toBe(2); // the command, and in vain that the HSM has failed
    expect(hsm.operations).toBe(0);
    expect(hsm.logLines.filter((line) => line.includes('the audit log cannot be written'))).toHaveLength(1);
  });

  test('a command under way while the HSM is locked gives nothing: 13', async () => {
    for (const lateCommand of ['FY010003#S00N00', 'EI0204802#0000']) {
      const hsm = new InProcessHsm();
      const answer = hsm.call(lateCommand);
      hsm.machine.rest('LOCKED');
      expect((await answer).slice(2)).toMatch(/^(13|B2)$/);
      expect(hsm.entries).toEqual([]);
    }
    const hsm = new InProcessHsm();
    const pair = await hsm.call('EI0204802#0000');
    const signing = hsm.call(`EW0601010005hello;99FFFF${pair.slice(pair.indexOf('FFFFS') + 4)}`);
    hsm.machine.rest('LOCKED');
    expect(await signing).toBe('EX13'); // the signature is made, and does not leave
  });

  test('an error of this program is answered with 41 and logged without its message', async () => {
    const hsm = new InProcessHsm({
      random: () => {
        throw new Error('a message that could quote a key');
      },
    });
    expect(await hsm.call(keyCommand)).toBe('A141');
    expect(hsm.logLines.join('')).toContain('internal error: Error at ');
    expect(hsm.logLines.join('')).not.toContain('could quote');
  });
});
