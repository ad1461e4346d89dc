import { Refusal } from '../answer-codes.ts';
import { firmware, serialNumber } from '../firmware.ts';
import type { Lmk } from '../lmk/lmk.ts';
import { answer, type Command } from './command.ts';
import { readLmkId } from './lmk-field.ts';

/** NC: the check value of an LMK, 16 hex of which 6 are used, and the firmware number. */
export const nc: Command = {
  name: 'diagnostics',
  kind: 'status',
  prepare(fields) {
    const lmkId = readLmkId(fields);
    return ({ hsm }) => answer(hsm.lmks.get(lmkId).checkValue.padEnd(16, '0'), firmware);
  },
};

/** NO: mode 00, buffer, link and sockets; mode 01, whether the PCI HSM settings are all compliant (they are not). */
export const no: Command = {
  name: 'status',
  kind: 'status',
  prepare(fields) {
    const mode = fields.hex(2, 'mode');
    if (mode !== '00' && mode !== '01') throw new Refusal('15', 'mode: 00 or 01 expected');
    // 4 digits for the sockets, as from firmware 1.8a on; the meaning of the last two fields is not known.
    const state = ['3' /* 32 KiB */, '1' /* TCP */, '0256' /* sockets */, firmware, '0', '0000'];
    return () => (mode === '00' ? answer(...state) : answer('0'));
  },
};

/** N0: random bytes. 01 for a length other than 1 to 256. */
export const n0: Command = {
  name: 'random',
  kind: 'keyless',
  prepare(fields) {
    const length = fields.number(3, 'length');
    if (length < 1 || length > 256) throw new Refusal('01', `length: 1 to 256 expected, got ${length}`);
    return ({ hsm }) => answer(hsm.random(length));
  },
};

/** B2: the data come back. */
export const b2: Command = {
  name: 'echo',
  kind: 'keyless',
  prepare(fields) {
    const data = fields.bytes(fields.hexNumber(4, 'length'), 'data');
    return () => answer(data);
  },
};

/** JK: what a monitor wants to know at once. */
export const jk: Command = {
  name: 'instantaneous status',
  kind: 'status',
  prepare: () => (scope) => {
    const { lmks, now, tlsPort, hosts, tampering, dualControl } = scope.hsm;
    const count = (loaded: readonly Lmk[]) => String(loaded.length).padStart(2, '0');
    return answer(
      serialNumber,
      dateAndTime(now().toISOString()),
      '2', // console: not running
      '2', // manager: not running
      '1', // host 1, the unix socket: running
      tlsPort ? '1' : '3', // host 2, TLS: running, or not configured
      '00', // reserved
      tampering ? `2${tampering.cause}${dateAndTime(tampering.time)}` : '1', // tampered: cause, date, time
      count(lmks.all),
      count(lmks.all.filter(({ status }) => status === 'test')),
      lmks.hasOld ? '01' : '00', // old LMKs
      lmks.all.map((lmk) => lmkStatus(lmk, dualControl?.grants.active.length ?? 0)).join('\x14'),
      '\x15',
      hosts.anyLocked ? '1' : '0', // fraud detection: a limit is exceeded
      '0', // PIN attacks are not counted
    );
  },
};

/** YYMMDDhhmmss */
function dateAndTime(iso: string): string {
  return iso.slice(2, 19).replace(/\D/g, '');
}

/** LMK id, authorised, authorised activities, scheme K (key block), algorithm, status L or T, comment */
function lmkStatus({ id, algorithm, status, comment }: Lmk, activities: number): string {
  const authorised = `${activities > 0 ? '1' : '0'}${String(Math.min(activities, 99)).padStart(2, '0')}`;
  return `${id}${authorised}K${algorithm === 'AES-256' ? '2' : '1'}${status === 'live' ? 'L' : 'T'}${comment}`;
}

/** ZC, an extension: how many operations have released a key since this HSM was set up, 20 digits. Never lower. */
export const zc: Command = {
  name: 'operation counter',
  kind: 'status',
  prepare:
    () =>
    ({ hsm }) =>
      answer(String(hsm.auditTrail?.head.operations ?? 0).padStart(20, '0')),
};
