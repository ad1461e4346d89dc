import { a0 } from './a0-generate-key.ts';
import { a4 } from './a4-form-key.ts';
import { a6 } from './a6-import-key.ts';
import { a8 } from './a8-export-key.ts';
import { b8 } from './b8-export-tr34.ts';
import { bu } from './bu-check-value.ts';
import type { Command } from './command.ts';
import { ei } from './ei-generate-rsa-key.ts';
import { eo } from './eo-import-public-key.ts';
import { ew } from './ew-sign.ts';
import { ey } from './ey-verify.ts';
import { b2, jk, n0, nc, no, zc } from './status-commands.ts';

/** The commands of this HSM by their code; every other code is answered with 68. Codes with Z are not on a payShield. */
export const commands: Readonly<Record<string, Command>> = {
  A0: a0,
  A4: a4,
  A6: a6,
  A8: a8,
  B2: b2,
  B8: b8,
  BU: bu,
  EI: ei,
  EO: eo,
  EW: ew,
  EY: ey,
  JK: jk,
  N0: n0,
  NC: nc,
  NO: no,
  ZC: zc,
};
