/** What a reader lets pass. Authentication and policy are separate: a block with a good MAC can still be wrong. */
import { Tr31Error } from './errors.ts';
import {
  type Finding,
  type FindingCode,
  isStructural,
  passableCodes,
  type StructuralCode,
} from './findings.ts';

export type ProfileName = 'strict' | 'tr31-2018' | 'payshield' | 'ibm-dk' | 'iso20038' | 'lenient';

/**
 * The findings that each profile lets pass, and nothing else: what `strict`, that is ANSI X9.143:2021, refuses and the
 * named dialect does. None lets pass what breaks the structure, an untrue check value or pedigree, or a KBPK weaker
 * than the key.
 */
export const profiles: Readonly<Record<ProfileName, readonly FindingCode[]>> = {
  /** ANSI X9.143:2021. */
  strict: [],
  /** Key length obfuscation is optional there, and KS is not forbidden on AES keys. */
  'tr31-2018': ['TR31_NOT_OBFUSCATED', 'TR31_KS_AES'],
  /** payShield 10K: recorded blocks are not obfuscated and carry mode N. */
  payshield: ['TR31_NOT_OBFUSCATED', 'TR31_MODE_UNRESTRICTED'],
  /** German banking (DK, GBIC) on IBM CCA: a printable KS, and usages and modes in digits. */
  'ibm-dk': [
    'TR31_NOT_OBFUSCATED',
    'TR31_KS_PRINTABLE',
    'TR31_KEY_USAGE_PROPRIETARY',
    'TR31_MODE_PROPRIETARY',
  ],
  /** Obfuscation is optional, and the algorithm letter says the hash family of an HMAC key. */
  iso20038: ['TR31_NOT_OBFUSCATED', 'TR31_ALGORITHM_HMAC_HASH'],
  /** Everything that can be taken apart and authenticated. */
  lenient: passableCodes,
};

export interface ProfileOptions {
  /** Default `strict`. */
  profile?: ProfileName;
  /** Findings to let pass in this call, besides those of the profile: an override of a rule, by its name. */
  letPass?: readonly Exclude<FindingCode, StructuralCode>[];
}

/**
 * Throws Tr31Error with all findings that the profile does not let pass, and TR31_ARGUMENT for a profile that is not
 * there; returns the others, the deviations met.
 */
export function judge(findings: Finding[], options: ProfileOptions = {}): Finding[] {
  const { profile = 'strict', letPass = [] } = options;
  if (!Object.hasOwn(profiles, profile)) {
    const message = `a profile is one of ${Object.keys(profiles).join(', ')}, got another`;
    throw new Tr31Error('TR31_ARGUMENT', message);
  }
  if (findings.length === 0) return findings;
  const allowed: readonly FindingCode[] = [...profiles[profile], ...letPass];
  const refused = findings.filter((found) => isStructural(found) || !allowed.includes(found.code));
  const [first] = refused;
  if (!first) return findings;
  const others = refused.length > 1 ? ` (and ${refused.length - 1} more)` : '';
  throw new Tr31Error(first.code, `${first.message}; ${first.clause}${others}`, refused);
}

/** Throws Tr31Error if a finding left the block impossible to follow, whatever the profile. */
export function refuseBrokenStructure(findings: Finding[]): void {
  if (findings.some(isStructural)) judge(findings.filter(isStructural));
}
