import { leafHash } from '@openkdh/transparency-log';
import { PrintedPage } from './printed-page.ts';
import { type AttemptHistory, type ProvenEntry, standaloneReceiptOf } from './receipts.ts';
import { qrModules } from './receipts-qr.ts';
import type { Transfer } from './transfers.schemas.ts';

export interface Evidence {
  transfer: Transfer;
  history: AttemptHistory;
  /** The last entry of `history`. */
  last: ProvenEntry;
  /** Of each entry in `history`, people by their names. */
  actors: string[];
  verifierKeyText: string;
}

/** 62 mm: a module of the longest receipt is wider than 0.35 mm. */
const QR_SIDE = 176;

/** The evidence report of one transfer, A4. The same records and checkpoint give the same bytes. */
export async function evidencePdf(evidence: Evidence): Promise<Buffer> {
  const { transfer, history, actors } = evidence;
  const events = history.entries.map((entry, n) => eventIn(entry, actors[n]!));
  const [origin] = history.checkpoint.toString().split('\n', 1);
  const page = new PrintedPage({
    title: 'Evidence of a key transfer',
    subject: transfer.attemptId,
    foot: `log ${origin}, ${history.size} entries`,
    date: new Date(events.at(-1)!.time),
  });
  page.title('Evidence of a key transfer', `${outcomeOf(transfer)} · terminal ${transfer.terminal.serial}`);
  writeTransfer(page, transfer);
  writeApprovals(page, transfer);
  writeTerminal(page, transfer);
  writeKeys(page, transfer);
  writeLife(page, events);
  writeProof(page, evidence);
  writeInstructions(page, transfer);
  page.heading('Examined');
  page.blanks(['Name', 'Date', 'Signature']);
  return page.end();
}

function outcomeOf({ state, reasonCode }: Transfer): string {
  return reasonCode === null ? state : `${state} (${reasonCode})`;
}

const kinds = { KBPK: 'first key of the terminal, by TR-34', KEYS: 'keys of its profile, by TR-31' } as const;

function writeTransfer(page: PrintedPage, t: Transfer): void {
  page.heading('Transfer');
  page.row('Attempt', `${t.attemptId}, number ${t.attemptNumber} of this terminal`);
  page.row('Load', t.loadId);
  page.row('Kind', kinds[t.kind]);
  page.row('State', outcomeOf(t));
  page.row('Key profile', `${t.profile.name}, version ${t.profile.version}`);
  page.row('Requested', `${t.requestedAt} by ${t.requestedBy}`);
  if (t.reason) page.row('Reason given', t.reason);
  if (t.campaignId) page.row('Campaign', t.campaignId);
  if (t.runId) page.row('Production run', t.runId);
  if (t.station) page.row('Bench station', t.station);
  page.row('HSM', t.hsm ?? '–');
  page.row('KDH node', t.node ?? '–');
  page.row('Session epochs', t.sessionEpochs.join(', ') || '–');
  page.row('Plan (SHA-256)', t.planHash ?? '–', true);
}

function writeApprovals(page: PrintedPage, { approvals }: Transfer): void {
  page.heading('Approvals');
  if (approvals.length === 0) return page.paragraph('None: the key profile required none.');
  page.table(
    [
      ['Person', 4],
      ['Role', 3],
      ['Authenticated by', 3],
      ['Time', 4],
    ],
    approvals.map(({ person, role, authentication, at }) => [person, role, authentication, at]),
  );
}

function writeTerminal(page: PrintedPage, { terminal }: Transfer): void {
  page.heading('Terminal');
  page.row('Serial number', terminal.serial);
  page.row('Model', [terminal.model, terminal.hardware, terminal.firmware].filter(Boolean).join(', '));
  page.row('TLS certificate', terminal.tlsCertificateFingerprint ?? '–', true);
  page.row('TR-34 certificate (KRD)', terminal.krdCertificateFingerprint ?? '–', true);
  page.row('Signing certificate', terminal.signingCertificateFingerprint ?? '–', true);
  page.paragraph('Certificates by the SHA-256 of their DER form, as they were in force at the request.');
}

function writeKeys(page: PrintedPage, { keys }: Transfer): void {
  page.heading('Keys');
  if (keys.length === 0) return page.paragraph('No key was derived for this attempt.');
  for (const key of keys) {
    page.row('Slot', `${key.slot}: usage ${key.usage}, ${key.algorithm}, ${key.wrapMethod}`);
    if (key.header) page.row('Key block header', key.header, true);
    if (key.bdkName) page.row('BDK', `${key.bdkName}, KCV ${key.bdkKcv}`);
    if (key.ksn) page.row('KSN', key.ksnBurned ? `${key.ksn} (burned: never used again)` : key.ksn, true);
    if (key.wrappedUnder) page.row('Wrapped under', `${key.wrappedUnder}, KCV ${key.kbpkKcv ?? '–'}`);
    page.row('KCV expected / reported', `${key.kcvExpected ?? '–'} / ${key.kcvReported ?? '–'}`, true);
    page.row(key.wrapMethod === 'TR-34' ? 'Token (SHA-256)' : 'Key block (SHA-256)', key.sha256 ?? '–', true);
    page.row('', '');
  }
}

interface LoggedEvent {
  index: bigint;
  time: string;
  event: string;
  actor: string;
  leaf: string;
}

function eventIn({ index, entry }: ProvenEntry, actor: string): LoggedEvent {
  const { time, type, body } = JSON.parse(entry.toString()) as {
    time: string;
    type: string;
    body: { through?: string[]; rule?: string };
  };
  // docs/audit-log.md, "Entries": a state that an attempt only went through has no entry of its own.
  const through = body.through ? ` through ${body.through}` : '';
  const approved = body.rule ? ` approved by ${body.rule}` : '';
  return {
    index,
    time,
    event: `${type}${through}${approved}`,
    actor,
    leaf: Buffer.from(leafHash(entry)).toString('hex').toUpperCase(),
  };
}

function writeLife(page: PrintedPage, events: LoggedEvent[]): void {
  page.heading('Life, as logged');
  page.table(
    [
      ['Entry', 2],
      ['Time (UTC)', 6],
      ['Event', 5],
      ['Actor', 4.5],
      ['Leaf hash', 7],
    ],
    events.map(({ index, time, event, actor, leaf }) => [`${index}`, time, event, actor, leaf]),
  );
  page.paragraph(
    'In the entries themselves a commitment stands for the name of a person (docs/audit-log.md, Names).',
  );
}

function writeProof(page: PrintedPage, { history, last, verifierKeyText }: Evidence): void {
  page.heading('Proof');
  const receipt = standaloneReceiptOf(history, last);
  page.squares(qrModules(receipt), QR_SIDE, (width) => {
    page.paragraph(
      `Entry ${last.index}, the last one above, is in the log: the receipt below leads from its leaf hash to the root that the ` +
        'checkpoint in it signs. The log only grows, so an earlier entry cannot be changed without changing that root. The QR ' +
        'code holds the same receipt, with the leaf hash in its line "extra".',
      width,
    );
    page.row('Log', history.checkpoint.toString().split('\n', 1)[0]!, false, width);
    page.row('Entries in the checkpoint', `${history.size}`, false, width);
    page.row(
      'Leaf hash (SHA-256)',
      Buffer.from(leafHash(last.entry)).toString('hex').toUpperCase(),
      true,
      width,
    );
  });
  page.row('Verifier key of the log', verifierKeyText, true);
  page.paragraph(
    'Compare it with the key that you have kept since the KDH was installed: one printed here proves nothing.',
  );
  page.code(receipt.toString());
}

function writeInstructions(page: PrintedPage, { attemptId }: Transfer): void {
  page.heading('How to verify', 130);
  page.paragraph(
    'On a machine of your own, with no network: type or scan the receipt into a file and give it the key that you have kept.',
  );
  page.code(`openkdh audit receipt ${attemptId}.tlog-proof --key log.key`);
  page.paragraph(
    'Every entry above, with its text and a receipt of its own, is in the evidence package of this transfer ' +
      `(GET /api/v1/transfers/${attemptId}/evidence.tar). Unpacked, it is verified by:`,
  );
  page.code('openkdh audit verify FOLDER --key log.key');
  page.paragraph(
    'That nothing is missing from the history is shown by verifying a whole export: docs/audit-log.md.',
  );
}
