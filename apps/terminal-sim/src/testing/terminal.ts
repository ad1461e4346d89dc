import { randomBytes, X509Certificate } from 'node:crypto';
import { certificatePem } from '@openkdh/pki';
import type { KdhMessage, Received, TerminalMessage } from '@openkdh/terminal-protocol';
import { certificationRequests, makeIdentity, signResult } from '../identity.ts';
import { changed, type Identity, type TerminalRecord } from '../record.ts';
import { type Decision, receive, type Surroundings, type Terminal } from '../terminal.ts';
import type { TestKdh } from './kdh.ts';

export const serial = 'TEST-000001';

/** A terminal that has its certificates and nothing else. */
export async function enrolledTerminal(kdh: TestKdh, identity?: Identity): Promise<Terminal> {
  const keys = identity ?? (await makeIdentity());
  const { pki } = kdh;
  const record: TerminalRecord = {
    identity: keys,
    enrolment: {
      certificates: await pki.certify(await certificationRequests(serial, keys)),
      chain: certificatePem(pki.terminalCa) + pki.root,
      kdhTrustAnchor: certificatePem(pki.kdhCa),
      gatewayTrustAnchor: pki.root,
    },
    epoch: 0,
    slots: {},
    results: [],
  };
  return { serial, record, conversation: { epoch: 0 } };
}

/** The TR-34 certificate of a terminal, DER. */
export function krdCertificate({ record }: Terminal): Uint8Array {
  return new X509Certificate(record.enrolment!.certificates.encryption).raw;
}

export const messageId = '01890000-0000-7000-8000-000000000000';

/** Gives a message to a terminal: what it is afterwards, and what it sends. Throws what it refuses. */
export async function deliver(
  terminal: Terminal,
  message: KdhMessage,
  around: Partial<Surroundings> = {},
): Promise<{ terminal: Terminal; decision: Decision; sent: TerminalMessage[] }> {
  const received: Received<KdhMessage> = { id: messageId, ...message };
  const decision = await receive(terminal, received, {
    now: new Date(),
    randomBytes,
    sign: (bytes) => signResult(terminal.record, bytes),
    keyBlock: (tr31) => tr31,
    report: (report) => report,
    ...around,
  });
  return {
    decision,
    sent: (decision.send ?? []).map(({ message: one }) => one),
    terminal: {
      ...terminal,
      record: decision.change ? changed(terminal.record, decision.change) : terminal.record,
      conversation: { ...terminal.conversation, ...decision.conversation },
    },
  };
}

/** The same terminal on a new connection, after WELCOME with this epoch. */
export async function welcomed(terminal: Terminal, epoch: number) {
  const b = {
    epoch,
    serverTime: '2026-01-01T00:00:00Z',
    nonceK: Buffer.alloc(16).toString('base64'),
    pingMs: 25_000,
    maxFrameBytes: 65_536,
    policyVersion: 1,
  };
  return deliver({ ...terminal, conversation: { epoch: 0 } }, { t: 'WELCOME', b });
}
