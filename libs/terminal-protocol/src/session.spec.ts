import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { conversation, frame, loadKeys, sessionAfter } from '../test/conversation.ts';
import { type ProtocolErrorCode, protocolCodes } from './codes.ts';
import type { Envelope } from './connection.ts';
import { ProtocolError } from './errors.ts';
import { type Incoming, kdhMessages, type Outgoing, type Role, terminalMessages } from './messages.ts';
import { allPhases, type Phase } from './phases.ts';
import { openSession, type Session } from './session.ts';

const roles: Role[] = ['kdh', 'terminal'];

function refused(code: ProtocolErrorCode, rest: Partial<ProtocolError> = {}) {
  return expect.objectContaining({
    name: 'ProtocolError',
    code,
    number: protocolCodes[code].number,
    ...rest,
  });
}

/** A frame as the peer of `session` would send it next: what is given, in a good envelope. */
function next(session: Session<Role>, type: string, change: Partial<Envelope> = {}): string {
  const mine = conversation.filter(({ from }) => from !== session.role);
  const seq = mine.findIndex((entry) => entry.frame.t === type) + 1;
  return JSON.stringify({ ...frame(type), seq, ...change });
}

describe('the recorded conversation', () => {
  test.each(roles)('every frame is sent or taken by the %s, exact to the byte', (role) => {
    const ids = conversation.filter(({ from }) => from === role).map((entry) => entry.frame.id);
    const recorded = role === 'kdh' ? [frame('WELCOME').sid!, ...ids] : ids;
    const session = openSession(role, () => recorded.shift()!);
    for (const { from, frame: expected } of conversation) {
      const { t, b, id, re } = expected;
      if (from === role)
        expect(session.send({ t, b } as Outgoing<Role>, { re })).toBe(JSON.stringify(expected));
      else expect(session.receive(JSON.stringify(expected))).toEqual({ t, b, id, ...(re && { re }) });
    }
    expect(session.phase).toBe('over');
    expect(session.sid).toBe(frame('WELCOME').sid);
  });

  test.each([
    [undefined, 'connected'],
    ['HELLO', 'greeted'],
    ['WELCOME', 'unbound'],
    ['BIND_REQ', 'requested'],
    ['BIND_CHALLENGE', 'challenged'],
    ['RANDOM', 'answered'],
    ['BIND', 'bound'],
    ['LOAD_ACK', 'bound'],
    ['KICK', 'over'],
  ])('after %s both ends are in phase %s', (type, phase) => {
    for (const role of roles) expect(sessionAfter(role, type).phase).toBe(phase);
  });

  test('a terminal that is bound already is bound from WELCOME on', () => {
    const hello = frame('HELLO');
    hello.b['bindState'] = { kdhCertificateFingerprint: 'A'.repeat(64) };
    const session = openSession('kdh');
    session.receive(JSON.stringify(hello));
    session.send({ t: 'WELCOME', b: frame('WELCOME').b } as Outgoing<'kdh'>);
    expect(session.phase).toBe('bound');
  });

  test('BIND_REQ begins the binding anew, until it is done', () => {
    for (const done of ['BIND_REQ', 'BIND_CHALLENGE', 'RANDOM']) {
      const session = sessionAfter('terminal', done);
      session.send({ t: 'BIND_REQ', b: frame('BIND_REQ').b } as Outgoing<'terminal'>);
      expect(session.phase).toBe('requested');
    }
  });

  test('RANDOM of a bound terminal leaves it bound', () => {
    const session = sessionAfter('terminal', 'LOAD_ACK');
    session.send({ t: 'RANDOM', b: frame('RANDOM').b } as Outgoing<'terminal'>);
    expect(session.phase).toBe('bound');
  });
});

describe('sequence', () => {
  test.each([0, -1, 1.5, '3', null])('seq %j is no sequence number', (seq) => {
    const session = sessionAfter('terminal', 'BIND_REQ');
    expect(() => session.receive(next(session, 'BIND_CHALLENGE', { seq: seq as number }))).toThrow(
      refused('BAD_MESSAGE', { fatal: true }),
    );
  });

  test.each([
    ['a gap', 3],
    ['a repeat', 1],
    ['a number far ahead', 2 ** 53 - 1],
  ])('%s ends the session with 4103', (_name, seq) => {
    const session = sessionAfter('terminal', 'BIND_REQ');
    const text = next(session, 'BIND_CHALLENGE', { seq });
    expect(() => session.receive(text)).toThrow(
      refused('SEQ', { fatal: true, closeCode: 4103, re: frame('BIND_CHALLENGE').id }),
    );
    expect(session.phase).toBe('over');
  });

  test('a replayed frame ends the session', () => {
    const session = sessionAfter('kdh', 'BIND_REQ');
    expect(() => session.receive(JSON.stringify(frame('BIND_REQ')))).toThrow(refused('SEQ', { fatal: true }));
  });

  test('a refused frame counts', () => {
    const session = sessionAfter('terminal', 'BIND_REQ');
    expect(() => session.receive(next(session, 'BIND_CHALLENGE', { t: 'FUTURE', seq: 2 }))).toThrow(
      refused('UNSUPPORTED_TYPE'),
    );
    expect(session.receive(next(session, 'BIND_CHALLENGE', { seq: 3 })).t).toBe('BIND_CHALLENGE');
  });

  test('a message that could not be sent takes no number', () => {
    const session = sessionAfter('kdh', 'BIND');
    expect(() => session.send({ t: 'BIND', b: frame('BIND').b } as Outgoing<'kdh'>)).toThrow(
      refused('UNEXPECTED_MESSAGE'),
    );
    const sent = JSON.parse(session.send({ t: 'QUERY', b: { inventory: true } })) as Envelope;
    expect(sent.seq).toBe(4);
  });
});

describe('sid', () => {
  test('none before WELCOME', () => {
    const session = openSession('kdh');
    expect(() => session.receive(JSON.stringify({ ...frame('HELLO'), sid: 'abc' }))).toThrow(
      refused('BAD_MESSAGE', { fatal: true, closeCode: 4101 }),
    );
  });

  test('WELCOME must bring one', () => {
    const session = sessionAfter('terminal', 'HELLO');
    expect(() => session.receive(next(session, 'WELCOME', { sid: undefined }))).toThrow(
      refused('BAD_MESSAGE', { fatal: true }),
    );
  });

  test.each([undefined, 'another'])('sid %j after WELCOME ends the session with 4101', (sid) => {
    for (const [role, type] of [
      ['kdh', 'BIND_REQ'],
      ['terminal', 'BIND_CHALLENGE'],
    ] as const) {
      const session = sessionAfter(role, role === 'kdh' ? 'WELCOME' : 'BIND_REQ');
      expect(() => session.receive(next(session, type, { sid }))).toThrow(
        refused('BAD_MESSAGE', { fatal: true, closeCode: 4101 }),
      );
    }
  });

  test('a KDH makes a new one for each session', () => {
    expect(openSession('kdh').sid).not.toBe(openSession('kdh').sid);
    expect(openSession('terminal').sid).toBeUndefined();
  });
});

describe('refusals before WELCOME are fatal', () => {
  test.each([
    ['another message first', 'BIND_REQ', 'UNEXPECTED_MESSAGE'],
    ['an unknown message first', 'FUTURE', 'UNEXPECTED_MESSAGE'],
    ['a message of the KDH', 'WELCOME', 'BAD_MESSAGE' /* its sid */],
  ] as const)('%s', (_name, t, code) => {
    const session = openSession('kdh');
    const { sid, ...envelope } = frame(t === 'FUTURE' ? 'BIND_REQ' : t);
    const first = { ...envelope, ...(t === 'WELCOME' && { sid }), t, seq: 1 };
    expect(() => session.receive(JSON.stringify(first))).toThrow(refused(code, { fatal: true }));
    expect(session.phase).toBe('over');
  });

  test('a HELLO with a member missing', () => {
    const hello = frame('HELLO');
    delete hello.b['serial'];
    const session = openSession('kdh');
    expect(() => session.receive(JSON.stringify(hello))).toThrow(
      refused('BAD_MESSAGE', { fatal: true, re: hello.id }),
    );
  });

  test('a second HELLO before the answer', () => {
    const session = sessionAfter('kdh', 'HELLO');
    expect(() => session.receive(JSON.stringify({ ...frame('HELLO'), seq: 2 }))).toThrow(
      refused('UNEXPECTED_MESSAGE', { fatal: true, closeCode: 4106 }),
    );
  });
});

describe('refusals after WELCOME', () => {
  test.each([
    ['an unknown type', { t: 'FUTURE' }, 'UNSUPPORTED_TYPE'],
    ['a message of the other direction', { t: 'LOAD_KEYS' }, 'UNEXPECTED_MESSAGE'],
    ['a message out of its phase', { t: 'RANDOM' }, 'UNEXPECTED_MESSAGE'],
    ['HELLO once more', { t: 'HELLO' }, 'UNEXPECTED_MESSAGE'],
    ['the name of a property of every object', { t: 'toString' }, 'UNSUPPORTED_TYPE'],
    ['a body with a member missing', { b: {} }, 'BAD_MESSAGE'],
  ] as const)('%s leaves the session as it was', (_name, change, code) => {
    const session = sessionAfter('kdh', 'WELCOME');
    const text = next(session, 'BIND_REQ', change);
    expect(() => session.receive(text)).toThrow(refused(code, { fatal: false, re: frame('BIND_REQ').id }));
    expect(session.phase).toBe('unbound');
    expect(session.receive(next(session, 'BIND_REQ', { seq: 3 })).t).toBe('BIND_REQ');
  });

  test.each([
    ['not JSON', '{'],
    ['no object', '[]'],
    ['no envelope', '{"v":1}'],
    ['another version', next(sessionAfter('kdh', 'WELCOME'), 'BIND_REQ', { v: 2 as 1 })],
    ['an id that is none', next(sessionAfter('kdh', 'WELCOME'), 'BIND_REQ', { id: '1' })],
    ['a body that is no object', next(sessionAfter('kdh', 'WELCOME'), 'BIND_REQ', { b: [] as never })],
  ])('%s is fatal', (_name, text) => {
    const session = sessionAfter('kdh', 'WELCOME');
    expect(() => session.receive(text)).toThrow(refused('BAD_MESSAGE', { fatal: true, closeCode: 4101 }));
  });

  test('a frame of more than 64 KiB is fatal, with close code 1009', () => {
    const session = sessionAfter('kdh', 'WELCOME');
    expect(() => session.receive('x'.repeat(65_537))).toThrow(
      refused('TOO_LARGE', { fatal: true, closeCode: 1009 }),
    );
  });

  test('nothing is taken any more once it is over', () => {
    const session = sessionAfter('kdh', 'WELCOME');
    expect(() => session.receive('{')).toThrow(refused('BAD_MESSAGE'));
    expect(() => session.receive(next(session, 'BIND_REQ'))).toThrow(
      refused('UNEXPECTED_MESSAGE', { fatal: true }),
    );
  });
});

describe('sending', () => {
  test('what the phase does not allow is refused', () => {
    const session = sessionAfter('kdh', 'WELCOME');
    expect(() => session.send({ t: 'LOAD_KEYS', b: loadKeys })).toThrow(refused('UNEXPECTED_MESSAGE'));
    expect(() => session.send({ t: 'HELLO', b: frame('HELLO').b } as never)).toThrow(
      refused('UNEXPECTED_MESSAGE'),
    );
  });

  test('a frame of more than 64 KiB is refused', () => {
    const session = sessionAfter('terminal', 'WELCOME');
    const token = 'A'.repeat(66_000);
    expect(() => session.send({ t: 'BIND_REQ', b: { token } })).toThrow(refused('TOO_LARGE'));
    expect(session.phase).toBe('unbound');
  });
});

describe('ERROR', () => {
  const codes = Object.keys(protocolCodes) as ProtocolErrorCode[];

  test.each(codes)('%s reaches the peer', (code) => {
    const kdh = sessionAfter('kdh', 'BIND');
    const terminal = sessionAfter('terminal', 'BIND');
    const { id } = frame('RANDOM');
    const error = new ProtocolError(code, 'why', { re: id });
    const { number, fatal } = protocolCodes[code];
    expect(terminal.receive(kdh.sendError(error))).toMatchObject({
      t: 'ERROR',
      re: id,
      b: { code: number, name: code, detail: 'why', fatal },
    });
    for (const session of [kdh, terminal]) expect(session.phase).toBe(fatal ? 'over' : 'bound');
  });

  test('a KDH may refuse before WELCOME, without a sid; a terminal that was refused is told', () => {
    const kdh = sessionAfter('kdh', 'HELLO');
    const text = kdh.sendError(new ProtocolError('CERT_MISMATCH', 'another serial'));
    expect(JSON.parse(text)).not.toHaveProperty('sid');
    expect(sessionAfter('terminal', 'HELLO').receive(text)).toMatchObject({ b: { code: 2002, fatal: true } });
  });

  test('after a fatal refusal the peer can still be told', () => {
    const session = sessionAfter('kdh', 'WELCOME');
    try {
      session.receive('{');
    } catch (error) {
      expect(JSON.parse(session.sendError(error as ProtocolError))).toMatchObject({
        t: 'ERROR',
        b: { code: 1001 },
      });
    }
    expect.assertions(1);
  });

  test('the detail is printable and short, whatever the error says', () => {
    const session = sessionAfter('kdh', 'BIND');
    const text = session.sendError(new ProtocolError('BAD_TOKEN', `grün\n${'x'.repeat(300)}`));
    expect(JSON.parse(text)).toMatchObject({ b: { detail: `gr?n?${'x'.repeat(195)}` } });
  });

  test('codes of a later version are taken', () => {
    const session = sessionAfter('terminal', 'BIND');
    const text = JSON.stringify({
      ...frame('KICK'),
      t: 'ERROR',
      seq: 4,
      b: { code: 4999, name: 'FUTURE', fatal: false },
    });
    expect(session.receive(text)).toMatchObject({ b: { code: 4999 } });
  });
});

describe('properties', () => {
  const phaseSteps = [undefined, 'HELLO', 'WELCOME', 'BIND_REQ', 'BIND_CHALLENGE', 'RANDOM', 'BIND', 'KICK'];

  test('any text gives a message or a ProtocolError', () => {
    const anyFrame = fc.record(
      {
        v: fc.constantFrom(1, 2),
        t: fc.oneof(
          fc.constantFrom(...Object.keys(kdhMessages), ...Object.keys(terminalMessages)),
          fc.string(),
        ),
        id: fc.oneof(fc.constant(frame('HELLO').id), fc.string()),
        sid: fc.option(fc.oneof(fc.constant(frame('WELCOME').sid), fc.string()), { nil: undefined }),
        seq: fc.nat(8),
        b: fc.oneof(
          fc.constantFrom(...conversation.map((entry) => entry.frame.b)),
          fc.dictionary(fc.string(), fc.jsonValue()),
          fc.jsonValue(),
        ),
      },
      { requiredKeys: [] },
    );
    const anyText = fc.oneof(
      fc.string(),
      fc.json(),
      anyFrame.map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(fc.constantFrom(...roles), fc.constantFrom(...phaseSteps), anyText, (role, step, text) => {
        const session = sessionAfter(role, step);
        const before = session.phase;
        try {
          const { t } = session.receive(text);
          const table: Record<string, { phases: readonly Phase[] }> =
            role === 'kdh' ? terminalMessages : kdhMessages;
          expect(table[t]!.phases).toContain(before);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
          expect(session.phase).toBe((error as ProtocolError).fatal ? 'over' : before);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('a frame cut anywhere, or with any character changed, is the same message or refused', () => {
    const text = JSON.stringify(frame('HELLO'));
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ minLength: 0, maxLength: 1 }), (at, character) => {
        const changed = text.slice(0, at) + character + text.slice(at + 1);
        try {
          openSession('kdh').receive(changed);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('both ends agree on the phase, whatever they say to each other', () => {
    const recorded = conversation.map((entry) => entry.frame);
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...recorded), { maxLength: 30 }), (messages) => {
        const ends = { kdh: openSession('kdh'), terminal: openSession('terminal') };
        for (const { t, b } of messages) {
          for (const [from, to] of [
            ['kdh', 'terminal'],
            ['terminal', 'kdh'],
          ] as const) {
            if (ends.kdh.phase === 'over') return;
            let text: string;
            try {
              text = (ends[from] as Session<Role>).send({ t, b } as Outgoing<Role>);
            } catch {
              continue; // not this end's to say now
            }
            expect((ends[to] as Session<Role>).receive(text)).toMatchObject({ t } as Incoming<Role>);
            expect(ends.kdh.phase).toBe(ends.terminal.phase);
          }
        }
        expect(allPhases).toContain(ends.kdh.phase);
      }),
      { numRuns: 200 },
    );
  });
});
