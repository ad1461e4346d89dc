import { readFileSync } from 'node:fs';
import { type AuditEntry, emptyChain } from '@openkdh/hsm-management';
import { LogReader } from '../../apps/soft-hsm/src/audit/read.ts';
import type { DualControl } from '../../apps/soft-hsm/src/ceremony/dual-control.ts';
import type { HostList } from '../../apps/soft-hsm/src/hosts/host-list.ts';
import { SoftHsm } from '../../apps/soft-hsm/src/hsm.ts';
import type { Lmk } from '../../apps/soft-hsm/src/lmk/lmk.ts';
import { loadTestLmk } from '../../apps/soft-hsm/src/lmk/test-lmks.ts';
import { Machine } from '../../apps/soft-hsm/src/machine.ts';
import { createRandom, type Random } from '../../apps/soft-hsm/src/random/random-source.ts';

/** Public recordings of payShield frames and key blocks; see `about` in the file. */
export const payshield = JSON.parse(
  readFileSync(new URL('../vectors/payshield.json', import.meta.url), 'utf8'),
) as PayShieldVectors;

export interface RecordedExchange {
  n: number;
  request_frame_hex: string;
  answer_frame_hex: string;
  error_code: string;
  recovered?: { lmk_block_pad: string; tr31_pad: string };
}

interface KeyBlockOf {
  block: string;
  clear: string;
  pad: string;
}

/** The parts of the file that the soft HSM is tested with. */
export interface PayShieldVectors {
  a0_mode_b: {
    fields: { bdk_block: string; zmk_block: string; ksn: string };
    clear: { bdk: string; zmk: string; initial_key: string; kcv: string };
    exchanges: RecordedExchange[];
  };
  s_block_v0: { vectors: { name: string; block: string; clear_key: string; kcv: string }[] };
  s_block_v0_rsa_private: {
    vectors: { name: string; block_hex: string; modulus: string; plaintext_hex: string; pad: string }[];
    ei_request_frame_hex: string;
    ej_answer_frame_hex: string;
    ew_request_frame_hex: string;
  };
  commands: {
    a0_mode_0: { request_ascii: string; answer_ascii: string; clear_key: string; pad: string; kcv: string };
    a0_mode_1: {
      request_ascii: string;
      answer_tail_ascii: string;
      zmk_clear: string;
      clear_key: string;
      lmk_block_pad: string;
      exported_pad: string;
    };
    a4_key_block: {
      request_ascii: string;
      answer_ascii: string;
      component_1: KeyBlockOf;
      component_2: KeyBlockOf;
      result: { pad: string };
    };
    a6_s_block: { request_ascii: string; answer_ascii: string; pad: string };
    a8_s_block: { request_ascii: string; answer_ascii: string; pad: string };
    bu: { request_ascii?: string; answer_ascii?: string; recomputed?: boolean }[];
    variant_lmk_parse_only: { cmd: string; request_ascii: string }[];
    bw: { request_ascii: string; answer_ascii: string; pad: string };
    gm: { request_frame_hex: string; sha256?: string; sha1?: string }[];
    m0_m2_m4: Record<
      'm0_request_ascii' | 'm0_result_hex' | 'm2_request_ascii' | 'm4_request_ascii' | 'm4_result_hex',
      string
    >;
    m6_m8: { m8_request_ascii: string; mac_hex: string };
    gw: Record<'generate_request_frame_hex' | 'verify_request_frame_hex' | 'mac_hex', string>;
  };
  framing: Record<string, string>;
}

export interface InProcessOptions {
  lmk?: Lmk;
  random?: Random;
  keyLengthHiding?: boolean;
  hostList?: HostList;
  dualControl?: (machine: Machine) => DualControl;
  /** Default: a list that `entries` shows. */
  append?: (entry: AuditEntry, releasedKeys: number) => Promise<void>;
}

/** The HSM of the soft HSM without sockets and files. */
export class InProcessHsm {
  readonly lmk: Lmk;
  readonly machine: Machine;
  readonly entries: AuditEntry[] = [];
  readonly logLines: string[] = [];
  operations = 0;
  /** Who gives the commands. */
  hostId = 'local';
  readonly #hsm: SoftHsm;

  constructor(options: InProcessOptions = {}) {
    this.lmk = options.lmk ?? loadTestLmk('AES');
    const append = async (entry: AuditEntry, releasedKeys = 0) => {
      await options.append?.(entry, releasedKeys);
      this.entries.push(entry);
      this.operations += releasedKeys;
    };
    this.machine = new Machine({
      random: options.random ?? createRandom(),
      settings: { keyLengthHiding: options.keyLengthHiding ?? false, auditLimit: undefined },
      now: () => new Date('2026-11-24T12:00:00Z'),
      tlsPort: false,
      hostList: options.hostList,
      log: (...line) => this.logLines.push(JSON.stringify(line)),
    });
    const operations = () => this.operations;
    const head = {
      ...emptyChain,
      get operations() {
        return operations();
      },
    };
    this.machine.becomeOperational(
      this.lmk,
      { append, head, records: new LogReader('/dev/null') },
      options.dualControl?.(this.machine),
    );
    this.#hsm = new SoftHsm(this.machine);
  }

  /** The answer to a message, header included, without frame length; `undefined` if there can be none. */
  async answer(message: Uint8Array): Promise<Buffer | undefined> {
    return this.#hsm.answer(Buffer.from(message), this.machine.hosts.get(this.hostId)!);
  }

  /** The answer to a command without header, as text after the header. */
  async call(command: string | Uint8Array): Promise<string> {
    const body = typeof command === 'string' ? Buffer.from(command, 'latin1') : command;
    const answer = await this.answer(Buffer.concat([Buffer.from('HEAD'), body]));
    return answer!.subarray(4).toString('latin1');
  }
}

/** Hands out what it was given, in order, and refuses any other length: pads of public recordings. */
export function fixedRandom(...hexValues: string[]): Random {
  const values = hexValues.map((hex) => Buffer.from(hex, 'hex'));
  return (lengthBytes) => {
    const next = values.shift();
    if (next?.length !== lengthBytes)
      throw new Error(`random: ${lengthBytes} bytes asked for, ${next?.length} next`);
    return Buffer.from(next);
  };
}

/** The message of a recorded frame. */
export function messageOf(frameHex: string): Buffer {
  return Buffer.from(frameHex, 'hex').subarray(2);
}
