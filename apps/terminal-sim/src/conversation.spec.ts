import { createPrivateKey, verify, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import {
  type LoadResult,
  loadResultSignedBytes,
  openSession,
  type ProtocolError,
} from '@openkdh/terminal-protocol';
import type { TerminalRecord } from './record.ts';
import { hello, type Terminal } from './terminal.ts';
import { deliver } from './testing/terminal.ts';

interface Frame {
  from: 'kdh' | 'terminal';
  frame: { t: string; re?: string; b: Record<string, unknown> };
}

/** The conversation that docs/protocol.md shows; the terminal in it is not this one, but keeps to the same rules. */
const vector = JSON.parse(
  readFileSync(new URL('../../../test/vectors/kdh-v1.json', import.meta.url), 'utf8'),
);
const { serial, keys, certificates } = vector;
const conversation: Frame[] = vector.conversation;

const der = (pem: string) => createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' });
const record: TerminalRecord = {
  identity: {
    tls: der(keys.terminalSigningKeyPem), // not used in frames
    encryption: der(keys.terminalEncryptionKeyPem),
    signing: der(keys.terminalSigningKeyPem),
  },
  enrolment: {
    certificates: {
      tls: certificates.terminalSigning,
      encryption: certificates.terminalEncryption,
      signing: certificates.terminalSigning,
    },
    chain: certificates.terminalCa + certificates.root,
    kdhTrustAnchor: certificates.kdhCa,
    gatewayTrustAnchor: certificates.root,
  },
  epoch: 0,
  slots: {},
  results: [],
};

/** A recorded frame as it should come again: but for the random signature, and the time of loading. */
function expected({ t, re, b }: Frame['frame']) {
  if (t === 'LOAD_RESULT') return { t, re, b: { ...b, signature: expect.any(String) } };
  if (t !== 'INVENTORY') return { t, re, b };
  const slots = (b['slots'] as object[]).map((slot) => ({ ...slot, loadedAt: expect.any(String) }));
  return { t, re, b: { slots } };
}

describe('test/vectors/kdh-v1.json', () => {
  test('the terminal answers every frame of the KDH as recorded', async () => {
    const around = {
      now: new Date('2026-11-24T06:00:05Z'),
      randomBytes: () => Buffer.from(keys.terminalNonce, 'hex'),
    };
    const session = openSession('terminal');
    session.send(hello(serial, record, new Uint8Array(16)));
    let terminal: Terminal = { serial, record, conversation: { epoch: 0 } };
    const written: string[] = [];
    for (const { frame } of conversation.filter(({ from }) => from === 'kdh')) {
      try {
        const step = await deliver(terminal, session.receive(JSON.stringify(frame)), around);
        terminal = step.terminal;
        for (const { message, re } of step.decision.send ?? []) written.push(session.send(message, { re }));
      } catch (error) {
        written.push(session.sendError(error as ProtocolError));
      }
    }
    const [, ...recorded] = conversation.filter(({ from }) => from === 'terminal'); // without HELLO
    const frames = written.map((text) => JSON.parse(text) as Frame['frame']);
    expect(frames.map(({ t, re, b }) => ({ t, re, b }))).toEqual(
      recorded.map(({ frame }) => expected(frame)),
    );
  });

  test('its recorded results verify with the key of RFC 6979, A.2.5', () => {
    const { publicKey } = new X509Certificate(certificates.terminalSigning);
    const results = conversation.filter(({ frame }) => frame.t === 'LOAD_RESULT');
    expect(results).toHaveLength(2);
    for (const { frame } of results) {
      const result = frame.b as LoadResult;
      const signature = Buffer.from(result.signature, 'base64');
      expect(verify('sha256', loadResultSignedBytes(result, serial), publicKey, signature)).toBe(true);
    }
  });
});
