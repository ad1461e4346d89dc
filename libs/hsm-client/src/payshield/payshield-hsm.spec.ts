import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createLocalCa, type LocalCa } from '@openkdh/pki';
import fc from 'fast-check';
import {
  answerFrame,
  type Script,
  ScriptedHsm,
  type ScriptedRequest,
} from '../../../../test/support/scripted-hsm.ts';
import vectors from '../../../../test/vectors/payshield.json' with { type: 'json' };
import type { HsmError } from '../errors.ts';
import type { GenerateKeyRequest, Hsm } from '../hsm.ts';
import type { HsmLogEntry } from './log.ts';
import { connectPayShield, type PayShieldOptions } from './payshield-hsm.ts';

const { commands, a0_mode_b: modeB } = vectors;
const key = modeB.fields.bdk_block;
const kek: GenerateKeyRequest = { usage: 'K0', algorithm: 'T2', modeOfUse: 'B', exportability: 'E' };
const a1 = commands.a0_mode_0.answer_ascii.slice(8);

/** N0 answered with its length, so that an answer shows whose it is. */
const randomOfItsLength: Script = ({ data, answer }) =>
  answer('00', Buffer.alloc(Number(data), Number(data)));

let folder: string;
const opened: { close(): Promise<void> }[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hsm-client-'));
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((each) => each.close()));
  await rm(folder, { recursive: true });
});

async function scripted(scripts: Record<string, Script> = {}, name = 'host'): Promise<ScriptedHsm> {
  const hsm = new ScriptedHsm(scripts);
  await hsm.listen({ path: join(folder, name) });
  opened.push(hsm);
  return hsm;
}

const unix = (name = 'host') => ({ transport: 'unix', path: join(folder, name) }) as const;

async function connect(options: Partial<PayShieldOptions> = {}): Promise<Hsm> {
  const hsm = await connectPayShield({ endpoints: [unix()], connections: 1, timeoutMs: 2000, ...options });
  opened.push(hsm);
  return hsm;
}

const errorOf = (work: Promise<unknown>): Promise<HsmError> =>
  work.then(
    () => Promise.reject(new Error('expected an error')),
    (error: HsmError) => error,
  );

/** Tries until it does not throw. */
async function eventually<Result>(work: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await work();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

describe('answers find their calls', () => {
  test('200 calls at once over 2 sockets, answered in reverse: no answer crosses over', async () => {
    const held: (() => void)[] = [];
    await scripted({
      N0: (request) => {
        held.push(() => randomOfItsLength(request));
        if (held.length === 1)
          setImmediate(function release() {
            for (const each of held.splice(0).reverse()) each();
          });
      },
    });
    const hsm = await connect({ connections: 2 });
    const lengths = Array.from({ length: 200 }, (_, i) => i + 1);
    const answers = await Promise.all(lengths.map((length) => hsm.random(length)));
    for (const [i, bytes] of answers.entries()) expect([bytes.length, bytes[0]]).toEqual([i + 1, i + 1]);
  });

  test('answers in one-byte fragments, and all in one piece', async () => {
    let merged = Buffer.alloc(0);
    await scripted({
      BU: ({ header, socket }) => {
        for (const byte of answerFrame(header, 'BU', '00', '2356F2')) socket.write(Uint8Array.of(byte));
      },
      N0: ({ header, data, socket }) => {
        merged = Buffer.concat([
          merged,
          answerFrame(header, 'N0', '00', Buffer.alloc(Number(data), Number(data))),
        ]);
        if (Number(data) === 20) socket.write(merged);
      },
    });
    const hsm = await connect();
    expect(await hsm.checkValue(key)).toBe('2356F2');
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => hsm.random(i + 1)));
    expect(answers.map(({ length }) => length)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });

  test('of 70 calls at once 64 are under way on a socket; the others wait for their turn', async () => {
    const held: (() => void)[] = [];
    let mostHeld = 0;
    const answerAll = () => {
      for (const answer of held.splice(0)) answer();
    };
    await scripted({
      N0: (request) => {
        held.push(() => randomOfItsLength(request));
        mostHeld = Math.max(mostHeld, held.length);
        if (mostHeld >= 64) setTimeout(answerAll, 20); // time for one too many
      },
    });
    const hsm = await connect();
    const answers = await Promise.all(Array.from({ length: 70 }, (_, i) => hsm.random(i + 1)));
    expect(answers.map(({ length }) => length)).toEqual(Array.from({ length: 70 }, (_, i) => i + 1));
    expect(mostHeld).toBe(64);
  });
});

describe('what is sent again, and what never is', () => {
  const hangUpOnce = (command: string, answerText: string): Record<string, Script> => {
    let hungUp = false;
    return {
      [command]: ({ socket, answer }) => {
        if (hungUp) return answer('00', answerText);
        hungUp = true;
        socket.destroy();
      },
    };
  };

  test('a repeatable command whose connection breaks is sent on the next one', async () => {
    const server = await scripted(hangUpOnce('BU', '2356F2'));
    const hsm = await connect();
    expect(await hsm.checkValue(key)).toBe('2356F2');
    expect(server.count('BU')).toBe(2);
  });

  test('a command that is not repeatable is sent once: HSM_UNREACHABLE, may have been executed', async () => {
    const server = await scripted(hangUpOnce('A0', a1));
    const hsm = await connect();
    const error = await errorOf(hsm.generateKey(kek));
    expect(error).toMatchObject({ code: 'HSM_UNREACHABLE', mayHaveExecuted: true });
    expect((await hsm.generateKey(kek)).kcv).toBe(commands.a0_mode_0.kcv);
    expect(server.count('A0')).toBe(2);
  });

  test('a repeatable command that breaks three connections is given up', async () => {
    const server = await scripted({ BU: ({ socket }) => socket.destroy() });
    const hsm = await connect();
    expect(await errorOf(hsm.checkValue(key))).toMatchObject({
      code: 'HSM_UNREACHABLE',
      mayHaveExecuted: true,
    });
    expect(server.count('BU')).toBe(3);
  });

  test('a refusal is not tried again', async () => {
    const server = await scripted({ BU: ({ answer }) => answer('A4') });
    const hsm = await connect();
    expect(await errorOf(hsm.checkValue(key))).toMatchObject({
      code: 'HSM_REFUSED',
      answer: 'A4',
      mayHaveExecuted: false,
      message: 'BU: the HSM refused with A4 (key block authentication failed)',
    });
    expect(server.count('BU')).toBe(1);
  });
});

describe('an HSM that is silent, slow or talks nonsense', () => {
  test('silence: HSM_TIMEOUT, may have been executed, not sent again', async () => {
    const server = await scripted({ BU: () => {} });
    const hsm = await connect({ timeoutMs: 250 });
    expect(await errorOf(hsm.checkValue(key))).toMatchObject({ code: 'HSM_TIMEOUT', mayHaveExecuted: true });
    expect(server.count('BU')).toBe(1);
  });

  test('an answer after the deadline goes to nobody, and a slow command on the same socket is still served', async () => {
    let answerLate = (): void => {};
    let answerSlow = (): void => {};
    const ej = vectors.s_block_v0_rsa_private.ej_answer_frame_hex;
    const server = await scripted({
      BU: ({ answer }) => {
        answerLate = () => answer('00', 'AAAAAA');
      },
      EI: ({ answer }) => {
        answerSlow = () => answer('00', Buffer.from(ej, 'hex').subarray(10));
      },
    });
    const hsm = await connect({ timeoutMs: 250 });
    const pair = hsm.generateRsaKeyPair({ bits: 2048, use: 'signature' });
    expect((await errorOf(hsm.checkValue(key))).code).toBe('HSM_TIMEOUT');
    answerLate();
    server.on('BU', ({ answer }) => answer('00', '2356F2'));
    expect(await hsm.checkValue(key)).toBe('2356F2');
    answerSlow();
    expect((await pair).publicKey).toHaveLength(294);
  });

  test.each<[string, (header: string) => Uint8Array]>([
    ['a header that was not asked with', () => answerFrame('ZZZZ', 'A0', '00', a1)],
    ['a frame too short for a header', () => Uint8Array.of(0, 1, 0x41)],
    ['the answer of another command', (header) => answerFrame(header, 'BU', '00', '2356F2')],
    ['an answer cut short', (header) => answerFrame(header, 'A0', '00', a1.slice(0, -1))],
    ['an answer without error code', (header) => answerFrame(header, 'A0', '', '')],
  ])('%s: HSM_BAD_ANSWER, and the next call has a new connection', async (_name, frame) => {
    const server = await scripted({ A0: ({ header, socket }) => socket.write(frame(header)) });
    const hsm = await connect();
    expect(await errorOf(hsm.generateKey(kek))).toMatchObject({
      code: 'HSM_BAD_ANSWER',
      mayHaveExecuted: true,
    });
    server.on('A0', ({ answer }) => answer('00', a1));
    expect((await hsm.generateKey(kek)).kcv).toBe(commands.a0_mode_0.kcv);
    expect(server.connections).toBe(2);
  });

  test('after five commands without answer the HSM is left alone: HSM_CIRCUIT_OPEN, nothing sent', async () => {
    const server = await scripted({ BU: () => {} });
    const hsm = await connect({ timeoutMs: 250 });
    const errors = await Promise.all(Array.from({ length: 5 }, () => errorOf(hsm.checkValue(key))));
    expect(errors.map(({ code }) => code)).toContain('HSM_TIMEOUT');
    const error = await errorOf(hsm.generateKey(kek));
    expect(error).toMatchObject({ code: 'HSM_CIRCUIT_OPEN', mayHaveExecuted: false });
    expect(server.count('A0')).toBe(0);
    server.on('BU', ({ answer }) => answer('00', '2356F2'));
    expect(await eventually(() => hsm.checkValue(key))).toBe('2356F2');
  });

  test('an HSM that hangs up on every command is left alone after five', async () => {
    const server = await scripted({ A0: ({ socket }) => socket.destroy() });
    const hsm = await connect();
    const codes: string[] = [];
    for (let i = 0; i < 6; i++) codes.push((await errorOf(hsm.generateKey(kek))).code);
    expect(codes).toEqual([...Array(5).fill('HSM_UNREACHABLE'), 'HSM_CIRCUIT_OPEN']);
    expect(server.count('A0')).toBe(5);
  });

  test('an HSM that is gone and comes back', async () => {
    const server = await scripted();
    const hsm = await connect();
    await server.close();
    let error: HsmError;
    do error = await errorOf(hsm.generateKey(kek));
    while (error.code === 'HSM_UNREACHABLE');
    expect(error).toMatchObject({ code: 'HSM_CIRCUIT_OPEN', mayHaveExecuted: false });
    await scripted({ A0: ({ answer }) => answer('00', a1) });
    expect((await eventually(() => hsm.generateKey(kek))).kcv).toBe(commands.a0_mode_0.kcv);
  });
});

describe('whatever happens on the wire', () => {
  type Fate = 'answer' | 'later' | 'in pieces' | 'hang up' | 'garbage' | 'refuse' | 'silence';
  const fates: Fate[] = ['answer', 'answer', 'later', 'in pieces', 'hang up', 'garbage', 'refuse', 'silence'];

  /** Meets each request with the next fate. A0 names the key by its label, and answers with it as check value. */
  async function fateful(plan: Fate[], seen: Map<string, number>): Promise<ScriptedHsm> {
    let next = 0;
    const meet = (
      { header, socket, answer }: ScriptedRequest,
      command: string,
      data: string | Buffer,
    ): void => {
      const frame = answerFrame(header, command, '00', data);
      switch (plan[next++ % plan.length]!) {
        case 'answer':
          return answer('00', data);
        case 'later':
          return void setTimeout(() => answer('00', data), 3);
        case 'in pieces':
          return void [frame.subarray(0, 1), frame.subarray(1, 9), frame.subarray(9)].map((part) =>
            socket.write(part),
          );
        case 'hang up':
          return void socket.destroy();
        case 'garbage':
          return void socket.write(frame.subarray(3));
        case 'refuse':
          return answer('41');
        case 'silence':
          return;
      }
    };
    return scripted({
      N0: (request) => meet(request, 'N0', Buffer.alloc(Number(request.data), Number(request.data))),
      A0: (request) => {
        const label = request.data.toString().slice(-6);
        seen.set(label, (seen.get(label) ?? 0) + 1);
        meet(request, 'A0', a1.slice(0, -6) + label);
      },
    });
  }

  test('each call ends once, with its own answer or an error that tells the truth about what was sent', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...fates), { minLength: 5, maxLength: 30 }), async (plan) => {
        const seen = new Map<string, number>();
        const server = await fateful(plan, seen);
        const hsm = await connectPayShield({ endpoints: [unix()], connections: 2, timeoutMs: 150 });
        const calls = Array.from({ length: 60 }, async (_, i) => {
          if (i % 2 === 0) {
            const bytes = await hsm.random(i + 1).catch((error: HsmError) => error.code);
            if (typeof bytes !== 'string') expect([bytes.length, bytes[0]]).toEqual([i + 1, i + 1]);
            return;
          }
          const label = hexLabel(i);
          const made = await hsm
            .generateKey({ ...kek, optionalBlocks: [{ id: 'LB', data: label }] })
            .catch((error: HsmError) => error);
          const times = seen.get(label) ?? 0;
          expect(times).toBeLessThanOrEqual(1);
          if ('kcv' in made) expect(made.kcv).toBe(label);
          else if (!made.mayHaveExecuted && made.code !== 'HSM_REFUSED') expect(times).toBe(0);
        });
        await Promise.all(calls);
        await hsm.close();
        await server.close();
      }),
      { numRuns: 12 },
    );
  });

  const hexLabel = (i: number): string => i.toString(16).toUpperCase().padStart(6, '0');
});

describe('who is at the other end', () => {
  test('NC and NO on every connection, NC with the LMK id', async () => {
    const server = await scripted({ N0: randomOfItsLength });
    const hsm = await connect({ lmkId: 1 });
    server.hangUp();
    await eventually(() => hsm.random(1));
    const greetings = server.requests
      .filter(({ command }) => command === 'NC')
      .map(({ data }) => data.toString());
    expect(greetings).toEqual(['%01', '%01']);
    expect(server.count('NO')).toBe(4);
    expect(await hsm.diagnostics()).toEqual({ lmkCheckValue: '9D04A0', firmware: '2200-1011' });
  });

  test('the expected LMK, by 6 digits or by the 16 of NC', async () => {
    await scripted();
    await connect({ expectedLmkCheckValue: '9D04A0' });
    await connect({ expectedLmkCheckValue: '9D04A00000000000' });
  });

  test('another LMK than expected: HSM_WRONG_LMK', async () => {
    await scripted();
    const error = await errorOf(connect({ expectedLmkCheckValue: '9D04A1' }));
    expect(error.code).toBe('HSM_WRONG_LMK');
  });

  test('an HSM that comes back with another LMK is not used, though none was expected at first', async () => {
    const server = await scripted({ N0: randomOfItsLength });
    const hsm = await connect();
    server.on('NC', ({ answer }) => answer('00', '00000100000000002200-1011'));
    server.hangUp();
    let error: HsmError;
    do error = await errorOf(hsm.generateKey(kek));
    while (error.code === 'HSM_UNREACHABLE');
    expect(error.code).toBe('HSM_WRONG_LMK');
    expect(server.count('A0')).toBe(0);
  });

  test('a device that has NO disabled is accepted', async () => {
    await scripted({ NO: ({ answer }) => answer('68'), N0: randomOfItsLength });
    const hsm = await connect();
    expect(await hsm.random(3)).toHaveLength(3);
  });

  test('a command longer than the I/O buffer of the HSM is not sent', async () => {
    const server = await scripted({ NO: ({ answer }) => answer('00', '0164042200-10110') });
    const hsm = await connect();
    const components = Array.from({ length: 9 }, () => `S10256${'0'.repeat(251)}`);
    expect((await errorOf(hsm.formKeyFromComponents(components))).code).toBe('HSM_BAD_REQUEST');
    expect(server.count('A4')).toBe(0);
  });

  test('operation count: of the soft HSM; a payShield has none', async () => {
    const server = await scripted();
    const payShield = await connect();
    expect(payShield.capabilities.has('operation-count')).toBe(false);
    expect(await payShield.operationCount()).toBeUndefined();
    server.on('ZC', ({ answer }) => answer('00', '00000000000000000042'));
    const softHsm = await connect();
    expect(softHsm.capabilities.has('operation-count')).toBe(true);
    expect(await softHsm.operationCount()).toBe(42n);
  });
});

describe('several HSMs, in order of preference', () => {
  test('the second serves while the first is away, and hands back when it has returned', async () => {
    const second = await scripted({ N0: randomOfItsLength }, 'second');
    const hsm = await connect({ endpoints: [unix('first'), unix('second')] });
    expect(await hsm.random(1)).toHaveLength(1);
    expect(second.count('N0')).toBe(1);
    const first = await scripted({ N0: randomOfItsLength }, 'first');
    while (first.count('N0') === 0) await hsm.random(1);
    while (second.sockets.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  test('the one with another LMK is passed over', async () => {
    await scripted({ NC: ({ answer }) => answer('00', '00000100000000002200-1011') }, 'first');
    const second = await scripted({ N0: randomOfItsLength }, 'second');
    const hsm = await connect({
      endpoints: [unix('first'), unix('second')],
      expectedLmkCheckValue: '9D04A0',
    });
    await hsm.random(1);
    expect(second.count('N0')).toBe(1);
  });

  test('repeatable calls under way move to the second when the first breaks down', async () => {
    const first = await scripted({ N0: () => void first.close() }, 'first');
    await scripted({ N0: randomOfItsLength }, 'second');
    const hsm = await connect({ endpoints: [unix('first'), unix('second')] });
    const answers = await Promise.all([1, 2, 3].map((length) => hsm.random(length)));
    expect(answers.map(({ length }) => length)).toEqual([1, 2, 3]);
  });

  test('none can be reached at start: HSM_UNREACHABLE', async () => {
    expect((await errorOf(connect({ endpoints: [unix('first'), unix('second')] }))).code).toBe(
      'HSM_UNREACHABLE',
    );
  });
});

describe('close', () => {
  test('calls under way and later ones throw HSM_CLOSED; nothing is sent again; it may be called twice', async () => {
    const server = await scripted({ N0: () => {} });
    const hsm = await connect();
    const underWay = errorOf(hsm.random(1));
    while (server.count('N0') === 0) await new Promise((resolve) => setImmediate(resolve));
    await hsm.close();
    expect((await underWay).code).toBe('HSM_CLOSED');
    expect((await errorOf(hsm.random(1))).code).toBe('HSM_CLOSED');
    expect(server.count('N0')).toBe(1);
    await hsm.close();
  });
});

describe('log', () => {
  test('of a failure: command, header, lengths, result and fingerprints; never a key field', async () => {
    await scripted({ BU: ({ answer }) => answer('A4'), A0: ({ answer }) => answer('00', a1) });
    const entries: HsmLogEntry[] = [];
    const hsm = await connect({ logger: (entry) => entries.push(entry) });
    await errorOf(hsm.checkValue(key));
    const { keyBlock } = await hsm.generateKey(kek);
    expect(entries).toContainEqual(
      expect.objectContaining({
        level: 'warn',
        event: 'hsm.command-failed',
        command: 'BU',
        result: 'A4',
        requestBytes: 110,
        keys: [expect.stringMatching(/^[0-9A-F]{16}$/)],
      }),
    );
    expect(entries).toContainEqual(
      expect.objectContaining({ event: 'hsm.connected', pciHsmCompliant: true }),
    );
    expect(entries).not.toContainEqual(expect.objectContaining({ command: 'A0' }));
    const text = JSON.stringify(entries);
    for (const secret of [key, keyBlock]) expect(text).not.toContain(secret.slice(17, 33));
  });
});

describe('TLS', () => {
  let ca: LocalCa;
  let otherCa: LocalCa;
  const notBefore = new Date();

  beforeAll(async () => {
    ca = await createLocalCa({ commonName: 'HSM link CA', notBefore });
    otherCa = await createLocalCa({ commonName: 'other CA', notBefore });
  });

  async function serve(issuer: LocalCa): Promise<{ server: ScriptedHsm; port: number }> {
    const server = new ScriptedHsm({ N0: randomOfItsLength });
    const identity = await issuer.issueServer({ commonName: 'hsm', hosts: ['127.0.0.1'] });
    const tls = { cert: identity.certificate, key: identity.privateKey, ca: ca.certificate };
    const port = await server.listen({
      port: 0,
      tls: { ...tls, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' },
    });
    opened.push(server);
    return { server, port };
  }

  async function connectTls(port: number, issuer: LocalCa, host = '127.0.0.1'): Promise<Hsm> {
    const identity = await issuer.issueClient({ commonName: 'kdh' });
    const tls = { cert: identity.certificate, key: identity.privateKey, ca: ca.certificate };
    return connect({ endpoints: [{ transport: 'tls', host, port }], tls });
  }

  test('both ends have a certificate of the CA', async () => {
    const { port } = await serve(ca);
    const hsm = await connectTls(port, ca);
    expect(await hsm.random(5)).toHaveLength(5);
  });

  test('an HSM whose certificate is of another CA is not spoken to', async () => {
    const { server, port } = await serve(otherCa);
    expect((await errorOf(connectTls(port, ca))).code).toBe('HSM_UNREACHABLE');
    expect(server.requests).toEqual([]);
  });

  test('an HSM whose certificate is for another host is not spoken to', async () => {
    const { server, port } = await serve(ca);
    expect((await errorOf(connectTls(port, ca, 'localhost'))).code).toBe('HSM_UNREACHABLE');
    expect(server.requests).toEqual([]);
  });

  test('a client that the HSM does not know', async () => {
    const { server, port } = await serve(ca);
    expect((await errorOf(connectTls(port, otherCa))).code).toBe('HSM_UNREACHABLE');
    expect(server.requests).toEqual([]);
  });

  test('no TLS without certificates', async () => {
    const endpoints = [{ transport: 'tls', host: '127.0.0.1', port: 1 }] as const;
    expect((await errorOf(connect({ endpoints }))).code).toBe('HSM_BAD_REQUEST');
  });
});
