import { Tr31Error, unwrap } from '@openkdh/tr31';
import {
  type Finding,
  type FindingCode,
  inspectKeyBlock,
  type ProfileName,
  profiles,
} from '@openkdh/tr31/header';
import { defineCommand } from '../command.ts';
import { optional, secretHex, text } from '../members.ts';
import { findingText } from '../text/underline.ts';
import { profileMember } from './profile.ts';

/** Judges a key block: all findings, and whether the profile lets all of them pass. */
export const check = defineCommand({
  name: 'keyblock check',
  summary: 'Judges a key block: with its KBPK also the MAC and the key inside, which is not shown.',
  members: {
    keyBlock: text('the key block'),
    kbpk: optional(secretHex('key block protection key; without it the MAC is not verified')),
    profile: profileMember,
  },
  positional: 'keyBlock',
  run: ({ keyBlock, kbpk, profile }) => {
    const findings: CheckFinding[] = kbpk
      ? findingsUnder(kbpk, keyBlock)
      : inspectKeyBlock(keyBlock).findings;
    return { ok: findings.every((finding) => isLetPass(finding, profile)), findings };
  },
  refuses: ({ ok }) => !ok,
  text: ({ ok, findings }, { keyBlock, kbpk, profile }) => {
    const verdict = `${ok ? 'ok' : 'refused'}${kbpk ? '' : '; the MAC was not verified'}\n`;
    const explained = findings.map((finding) => {
      const pass = isLetPass(finding, profile) ? `Let pass by ${profile}.\n` : '';
      return `\n${findingText(finding, keyBlock)}${pass}`;
    });
    return verdict + explained.join('');
  },
});

/** A finding of the library, or that the block is not authentic under the given KBPK. */
type CheckFinding = Omit<Finding, 'code'> & { code: FindingCode | 'TR31_UNWRAP_FAILED' };

function isLetPass({ code }: CheckFinding, profile: ProfileName = 'strict'): boolean {
  const letPass: readonly string[] = profiles[profile];
  return letPass.includes(code);
}

/** What is wrong with the header, and what only the KBPK shows. Throws TR31_KBPK_LENGTH: that is not about the block. */
function findingsUnder(kbpk: Uint8Array, keyBlock: string): CheckFinding[] {
  try {
    unwrap(kbpk, keyBlock).key.fill(0);
    return [];
  } catch (refusal) {
    if (!(refusal instanceof Tr31Error)) throw refusal;
    const { fields, findings } = inspectKeyBlock(keyBlock);
    if (refusal.code === 'TR31_UNWRAP_FAILED') {
      const mac = fields.at(-1)!; // unwrap got as far as the MAC
      return [
        ...findings,
        { code: refusal.code, clause: bindingClause, at: mac.at, message: refusal.message },
      ];
    }
    if (refusal.findings.length === 0) throw refusal;
    const isNew = ({ code, at }: Finding) =>
      !findings.some((known) => known.code === code && known.at.start === at.start);
    return [...findings, ...refusal.findings.filter(isNew)];
  }
}

const bindingClause = 'X9.143:2021, 7';
