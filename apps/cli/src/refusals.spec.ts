/** What a refusal must not say, whatever a request holds. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Request } from './command.ts';
import { commands } from './commands.ts';

const secret = '5EC4E75EC4E75EC4E75EC4E75EC4E75E';
const values = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(secret, `${secret}0`, `${secret}00`, `B0080P0TE00E0000${secret}`) },
  fc.constantFrom(
    'tdes',
    'aes',
    'strict',
    'lenient',
    'PIN',
    'AES128',
    'FFFF9876543210E00001',
    '1234567890123456',
  ),
  fc.constantFrom([secret], { id: secret, data: secret }, [{ id: secret, data: secret }], 24, -1, true, null),
  fc.constantFrom(`-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----\n`),
  fc.jsonValue(),
);

// Commands that make files or folders make them of whatever name they were given: here.
const folder = mkdtempSync(join(tmpdir(), 'openkdh-refusals-'));
const home = process.cwd();
beforeAll(() => process.chdir(folder));
afterAll(() => {
  process.chdir(home);
  rmSync(folder, { recursive: true });
});

describe.each(commands)('$name', ({ members, run }) => {
  const requests: fc.Arbitrary<Request> = fc.record(
    Object.fromEntries(Object.keys(members).map((member) => [member, values])),
    { requiredKeys: [] },
  );

  test('answers every request, and repeats no secret in a refusal', async () => {
    await fc.assert(
      fc.asyncProperty(requests, async (request) => {
        const { refusal, words } = await run(request);
        const said = words();
        if (!refusal) return;
        expect(refusal).toEqual({
          code: expect.stringMatching(/^(CLI|HSM|TR31|DUKPT|TR34|TLOG|BLOCK_CIPHER)_/),
          message: expect.not.stringContaining(secret.slice(0, 12)),
        });
        // The key block itself may be shown under the findings; it is no secret.
        if (!('keyBlock' in members) && !('header' in members))
          expect(said).not.toContain(secret.slice(0, 12));
      }),
      { numRuns: 300 },
    );
  });
});
