import { exportLog } from './audit/export.ts';
import { bundleFromArchive } from './audit/from-archive.ts';
import { verifyReceiptFile } from './audit/receipt.ts';
import { verifyBundle } from './audit/verify.ts';
import type { Command } from './command.ts';
import { ik } from './dukpt/ik.ts';
import { key } from './dukpt/key.ts';
import { next } from './dukpt/next.ts';
import { state } from './dukpt/state.ts';
import { fetchLog, verifyLog } from './hsm/audit-log.ts';
import { backup } from './hsm/backup.ts';
import { component } from './hsm/component.ts';
import { init, lock, shares, unlock, zeroise } from './hsm/custody.ts';
import { drafts } from './hsm/drafts.ts';
import { order, sign } from './hsm/order.ts';
import { selfTest, status } from './hsm/status.ts';
import { kcv } from './kcv.ts';
import { check } from './keyblock/check.ts';
import { decode } from './keyblock/decode.ts';
import { unwrap } from './keyblock/unwrap.ts';
import { wrap } from './keyblock/wrap.ts';
import { open } from './tr34/open.ts';
import { show } from './tr34/show.ts';
import { verify } from './tr34/verify.ts';
import { initWitness } from './witness/init.ts';
import { serveWitness } from './witness/serve.ts';
import { showWitness } from './witness/show.ts';

/** Every command, in the order of the usage text. */
export const commands: readonly Command[] = [
  decode,
  check,
  wrap,
  unwrap,
  ik,
  key,
  next,
  state,
  show,
  verify,
  open,
  kcv,
  status,
  init,
  unlock,
  lock,
  shares,
  component,
  ...drafts,
  sign,
  order,
  backup,
  fetchLog,
  verifyLog,
  selfTest,
  zeroise,
  exportLog,
  bundleFromArchive,
  verifyBundle,
  verifyReceiptFile,
  initWitness,
  serveWitness,
  showWitness,
];
