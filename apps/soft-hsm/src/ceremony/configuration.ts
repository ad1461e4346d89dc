import { createHmac } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { equalConstantTime } from '@openkdh/block-ciphers';
import { canonicalJson, type Officer } from '@openkdh/hsm-management';
import { SoftHsmError } from '../errors.ts';
import type { HostEntry } from '../hosts/host-list.ts';
import { writeFileAtomically } from '../state/atomic-file.ts';
import type { AuthorityList } from '../tr34/authorities.ts';
import type { SealedShare } from './sealed-share.ts';

const configurationVersion = 1;

/** Who has ever been given which share: a share that changes hands stays known to who had it before. */
export interface ShareAssignment {
  custodian: string;
  setId: string;
  x: number;
  time: string;
}

/** What an HSM under dual control is set up with: officers, custodians with their sealed shares, hosts. */
export interface Configuration {
  version: typeof configurationVersion;
  /** 16 random bytes in hex; orders name it. */
  hsmId: string;
  officers: Officer[];
  shares: SealedShare[];
  shareHistory: ShareAssignment[];
  hosts: HostEntry[];
  /** Of TR-34; missing until officers order some. */
  authorities?: AuthorityList;
  /** Nonces of the orders that were carried out and have not expired. */
  usedNonces: { nonce: string; expiry: string }[];
}

/** The file `configuration.json`: the configuration, and a MAC over it under a key of the HSM. */
export interface ConfigurationFile {
  configuration: Configuration;
  /** HMAC-SHA-256 over the canonical form, upper-case hex. */
  mac: string;
}

/** `key`: 32 bytes. */
export function macOf(configuration: Configuration, key: Uint8Array): string {
  return createHmac('sha256', key).update(canonicalJson(configuration)).digest('hex').toUpperCase();
}

export function writeConfiguration(path: string, file: ConfigurationFile): void {
  writeFileAtomically(path, Buffer.from(`${JSON.stringify(file, undefined, 2)}\n`));
}

/** Reads the configuration; whether it is authentic shows when the LMK is open. `undefined` if there is none. */
export function readConfiguration(path: string): ConfigurationFile | undefined {
  if (!existsSync(path)) return undefined;
  try {
    const file = JSON.parse(readFileSync(path, 'utf8')) as ConfigurationFile;
    if (file.configuration.version === configurationVersion && typeof file.mac === 'string') return file;
  } catch {
    // falls through: a file that cannot be read is as bad as one of another version
  }
  throw new SoftHsmError(
    'SOFT_HSM_FILE',
    `${path} is not a configuration of version ${configurationVersion}`,
  );
}

export function isAuthentic({ configuration, mac }: ConfigurationFile, key: Uint8Array): boolean {
  return equalConstantTime(Buffer.from(macOf(configuration, key)), Buffer.from(mac));
}
