import type { Columns, CsvValue } from '../http/csv.ts';
import type { Transfer } from './transfers.schemas.ts';

type Key = Transfer['keys'][number];

/** Columns of the CSV, one line for each key of an attempt; an attempt that has no keys yet has one line. */
const columns: [string, (transfer: Transfer, key: Key | undefined) => CsvValue][] = [
  ['attempt_id', (t) => t.attemptId],
  ['load_id', (t) => t.loadId],
  ['attempt_number', (t) => t.attemptNumber],
  ['kind', (t) => t.kind],
  ['state', (t) => t.state],
  ['reason_code', (t) => t.reasonCode],
  ['requested_at', (t) => t.requestedAt],
  ['requested_by', (t) => t.requestedBy],
  ['reason', (t) => t.reason],
  ['approvals', (t) => t.approvals.map(({ person }) => person).join(' ')],
  ['campaign_id', (t) => t.campaignId],
  ['run_id', (t) => t.runId],
  ['station', (t) => t.station],
  ['serial', (t) => t.terminal.serial],
  ['model', (t) => t.terminal.model],
  ['hardware', (t) => t.terminal.hardware],
  ['firmware', (t) => t.terminal.firmware],
  ['tls_certificate_sha256', (t) => t.terminal.tlsCertificateFingerprint],
  ['krd_certificate_sha256', (t) => t.terminal.krdCertificateFingerprint],
  ['signing_certificate_sha256', (t) => t.terminal.signingCertificateFingerprint],
  ['profile', (t) => t.profile.name],
  ['profile_version', (t) => t.profile.version],
  ['slot', (_, k) => k?.slot],
  ['header', (_, k) => k?.header],
  ['usage', (_, k) => k?.usage],
  ['algorithm', (_, k) => k?.algorithm],
  ['key_block_version', (_, k) => k?.keyBlockVersion],
  ['wrap_method', (_, k) => k?.wrapMethod],
  ['wrapped_under', (_, k) => k?.wrappedUnder],
  ['kbpk_kcv', (_, k) => k?.kbpkKcv],
  ['bdk_id', (_, k) => k?.bdkId],
  ['bdk_name', (_, k) => k?.bdkName],
  ['bdk_kcv', (_, k) => k?.bdkKcv],
  ['ksn', (_, k) => k?.ksn],
  ['ksn_burned', (_, k) => k?.ksnBurned],
  ['sent_sha256', (_, k) => k?.sha256],
  ['kcv_expected', (_, k) => k?.kcvExpected],
  ['kcv_reported', (_, k) => k?.kcvReported],
  ['result_code', (_, k) => k?.resultCode],
  ['hsm', (t) => t.hsm],
  ['node', (t) => t.node],
  ['session_epochs', (t) => t.sessionEpochs.join(' ')],
  ['plan_hash', (t) => t.planHash],
  ['sent_at', (t) => t.times['SENT']],
  ['confirmed_at', (t) => t.times['CONFIRMED']],
];

export const transferColumns: Columns<Transfer> = {
  names: columns.map(([name]) => name),
  rowsOf: (transfer) =>
    (transfer.keys.length > 0 ? transfer.keys : [undefined]).map((key) =>
      columns.map(([, value]) => value(transfer, key)),
    ),
};
