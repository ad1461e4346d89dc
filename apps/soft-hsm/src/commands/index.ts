import { a0 } from './a0-generate-key.ts';
import { a4 } from './a4-form-key.ts';
import { a6 } from './a6-import-key.ts';
import { a8 } from './a8-export-key.ts';
import { zk, zl } from './audit-commands.ts';
import { b8 } from './b8-export-tr34.ts';
import { bu } from './bu-check-value.ts';
import { bs, bw } from './bw-translate-lmk.ts';
import type { Command } from './command.ts';
import { ei } from './ei-generate-rsa-key.ts';
import { eo } from './eo-import-public-key.ts';
import { ew } from './ew-sign.ts';
import { ey } from './ey-verify.ts';
import { fy } from './fy-generate-ec-key.ts';
import { gm } from './gm-hash.ts';
import { gw } from './gw-dukpt-mac.ts';
import { zg, zh, zm } from './hmac-commands.ts';
import { m0, m2, m4 } from './m-encryption.ts';
import { m6, m8 } from './m-mac.ts';
import { qe } from './qe-request-certificate.ts';
import { b2, jk, n0, nc, no, zc } from './status-commands.ts';
import { zi } from './zi-import-tr34.ts';
import { zp } from './zp-translate-pin.ts';
import { zr } from './zr-random-token.ts';
import { zv } from './zv-capabilities.ts';

/** The commands of this HSM by their code; every other code is answered with 68. Codes with Z are not on a payShield. */
export const commands: Readonly<Record<string, Command>> = {
  A0: a0,
  A4: a4,
  A6: a6,
  A8: a8,
  B2: b2,
  B8: b8,
  BS: bs,
  BU: bu,
  BW: bw,
  EI: ei,
  EO: eo,
  EW: ew,
  EY: ey,
  FY: fy,
  GM: gm,
  GW: gw,
  JK: jk,
  M0: m0,
  M2: m2,
  M4: m4,
  M6: m6,
  M8: m8,
  N0: n0,
  NC: nc,
  NO: no,
  QE: qe,
  ZC: zc,
  ZG: zg,
  ZH: zh,
  ZI: zi,
  ZK: zk,
  ZL: zl,
  ZM: zm,
  ZP: zp,
  ZR: zr,
  ZV: zv,
};
