import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { type LiveSession, SessionRegistry } from './session-registry.ts';

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const session = (epoch: bigint): LiveSession => ({
  sessionId: `session-${epoch}`,
  terminalId: 'terminal',
  serial: 'T-1',
  epoch,
  signingKey: publicKey,
  ready: true,
  send: () => {},
  kick: () => {},
});

describe('the live sessions of a node', () => {
  test('the newer session of a terminal takes the place of the older one, and says which', () => {
    const registry = new SessionRegistry();
    const [first, second] = [session(1n), session(2n)];
    expect(registry.register(first)).toBeUndefined();
    expect(registry.register(second)).toBe(first);
    expect(registry.get('terminal')).toBe(second);
  });

  test('an older session that comes late does not take the place of the newer one (F12)', () => {
    const registry = new SessionRegistry();
    const newer = session(2n);
    registry.register(newer);
    expect(registry.register(session(1n))).toBeUndefined();
    expect(registry.get('terminal')).toBe(newer);
  });

  test('a close that comes late does not remove the session that followed (F12)', () => {
    const registry = new SessionRegistry();
    const [first, second] = [session(1n), session(2n)];
    registry.register(first);
    registry.register(second);
    expect(registry.remove(first)).toBe(false);
    expect(registry.get('terminal')).toBe(second);
    expect(registry.remove(second)).toBe(true);
    expect(registry.size).toBe(0);
  });
});
