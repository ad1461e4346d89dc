import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type CrlSeen, type Role, rolePolicies, type Trust, type TrustedCertificate } from '@openkdh/tr34';
import { Refusal } from '../answer-codes.ts';
import { SoftHsmError } from '../errors.ts';

/** By role, whom this HSM believes the certificates of TR-34: its CA, or one certificate alone. PEM. */
export interface AuthorityList {
  /** Of the KDHs from which ZI imports. */
  kdh: readonly string[];
  /** Of the KRDs to which B8 exports; while there is none, B8 leaves judging the KRD to the host. */
  krd: readonly string[];
}

export const noAuthorities: AuthorityList = { kdh: [], krd: [] };

/** The authorities in force, and what was seen of their CRLs since the start. */
export class Authorities {
  #anchors: Readonly<Record<Role, readonly Uint8Array[]>> = { KDH: [], KRD: [] };
  /** The newest CRL of each issuer, by the issuer's name in DER. */
  readonly #crlsSeen = new Map<string, CrlSeen>();

  replace({ kdh, krd }: AuthorityList): void {
    this.#anchors = { KDH: kdh.map(derOf), KRD: krd.map(derOf) };
  }

  has(role: Role): boolean {
    return this.#anchors[role].length > 0;
  }

  /**
   * What certificates of a role are judged by; there has to be a CRL of their issuer, in `crls` (DER) or in the token.
   * Refuses with 17 a role that has no authority.
   */
  trust(role: Role, crls: readonly Uint8Array[], at: Date): Trust {
    if (!this.has(role)) throw new Refusal('17', `no authority of the ${role} role is installed`);
    const lastSeen = [...this.#crlsSeen.values()];
    return {
      anchors: this.#anchors[role],
      rolePolicy: rolePolicies.purposeOrName,
      revocation: { crls, lastSeen, whenAbsent: 'refuse' },
      at,
    };
  }

  /** Takes note of the CRLs that were relied on: an older one is not believed any more. */
  note({ crlsSeen }: Pick<TrustedCertificate, 'crlsSeen'>): void {
    for (const seen of crlsSeen) this.#crlsSeen.set(Buffer.from(seen.issuer).toString('latin1'), seen);
  }
}

/** Reads the authorities, JSON: `{ "kdh": [ "-----BEGIN CERTIFICATE…" ], "krd": [ … ] }`. Throws SOFT_HSM_FILE. */
export function readAuthorities(path: string): AuthorityList {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new SoftHsmError('SOFT_HSM_FILE', `cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
  return parseAuthorities(value);
}

/** Throws SOFT_HSM_FILE unless `value` names certificates by role. */
export function parseAuthorities(value: unknown): AuthorityList {
  const { kdh = [], krd = [], ...rest } = (value ?? {}) as Record<string, unknown>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw bad(`${unknown} is no role: kdh and krd are`);
  return { kdh: certificatesIn('kdh', kdh), krd: certificatesIn('krd', krd) };
}

function certificatesIn(role: string, value: unknown): string[] {
  if (!Array.isArray(value)) throw bad(`${role}: an array of certificates in PEM expected`);
  return value.map((pem: unknown) => {
    try {
      return new X509Certificate(pem as string).toString();
    } catch {
      throw bad(`${role}: certificates in PEM expected`);
    }
  });
}

function derOf(pem: string): Uint8Array {
  return new X509Certificate(pem).raw;
}

function bad(what: string): SoftHsmError {
  return new SoftHsmError('SOFT_HSM_FILE', `authorities: ${what}`);
}
