import { defineCommand } from '../command.ts';
import { rows } from '../text/rows.ts';
import { utcTime, utcTimeAndWhatIsLeft } from '../text/time.ts';
import { callHsm, type HsmGrant, statusOf } from './management.ts';
import { socket } from './members.ts';

export const status = defineCommand({
  name: 'hsm status',
  summary:
    'What the HSM is and how it is: state, LMKs, head of its log, officers, shares, grants, ceremony under way.',
  members: { socket },
  run: ({ socket }) => statusOf(socket),
  text({ auditLog, ceremony, grants, ...status }) {
    const { asked, waitingFor } = ceremony;
    const underWay = asked !== undefined || waitingFor.length > 0;
    const parts = [
      ['', { ...status, grants: grants?.map(readable) }],
      ['\nAudit log\n\n', auditLog],
      ['\nCeremony under way, which hsm shares goes on with\n\n', underWay ? ceremony : undefined],
    ] as const;
    return parts.map(([heading, part]) => (part ? heading + rows(part) : '')).join('');
  },
});

export const selfTest = defineCommand({
  name: 'hsm self-test',
  summary: 'Runs the known-answer tests of the HSM; one that fails puts it out of service.',
  members: { socket },
  run: async ({ socket }) => (await callHsm(socket, 'self-test')).line as { failed: string[] },
  refuses: ({ failed }) => failed.length > 0,
});

function readable({ notBefore, expiry, ...grant }: HsmGrant): object {
  return { ...grant, notBefore: utcTime(notBefore), expiry: utcTimeAndWhatIsLeft(expiry, new Date()) };
}
