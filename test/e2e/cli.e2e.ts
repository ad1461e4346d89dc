/** The `openkdh` command as it is built: scripts, the examples of its manual, JSON lines. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { afterAll, describe, expect, test } from '@jest/globals';
import { clover } from '../../libs/tr34/test/pki.ts';
import { answersTo, start } from '../cli/answers.ts';
import { asPrinted, openkdh, readScript, readSteps, type Step, Workshop } from '../cli/transcript.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

const certificate = (member: keyof typeof clover.pki) => clover.pki[member].certificatePem;

async function expectSteps(steps: readonly Step[], workshop: Workshop, printed: typeof asPrinted) {
  expect(steps.length).toBeGreaterThan(0);
  for (const { command, printed: expected } of steps) {
    expect({ command, printed: printed(await workshop.run(command)) }).toEqual({
      command,
      printed: expected,
    });
  }
}

describe('the scripts of test/cli', () => {
  const scripts = readdirSync(join(root, 'test/cli')).filter((name) => name.endsWith('.txt'));
  test.each(scripts)('%s', async (name) => {
    const { steps, files } = readScript(read(`test/cli/${name}`));
    const workshop = new Workshop(files);
    await expectSteps(steps, workshop, asPrinted).finally(() => workshop.remove());
  });
});

describe('the examples in docs/cli.md', () => {
  const asShown: typeof asPrinted = ({ stdout, stderr }) => (stdout + stderr).trimEnd();
  const [, ...sections] = read('docs/cli.md').split(/^## /m);
  const examples = sections.flatMap((section) => {
    const blocks = [...section.matchAll(/^```console\n(.*?)^```$/gms)];
    const steps = blocks.flatMap(([, block]) => readSteps(block!));
    return steps.length > 0 ? [[section.split('\n')[0]!, steps] as const] : [];
  });
  const workshop = new Workshop({
    'kt.hex': clover.tokens[0]!.derHex,
    'krd.key': clover.pki.krd1.privateKeyPem,
    'krd.pem': certificate('krd1'),
    'kdh.pem': certificate('kdh1') + certificate('kdhCa'),
    'root.pem': certificate('root'),
  });
  afterAll(() => workshop.remove());

  // In order: an example may use the files of those before it.
  test.each(examples)('%s', async (_, steps) => expectSteps(steps, workshop, asShown));
});

describe('JSON lines', () => {
  const ksn = 'FFFF9876543210E00001';

  test('a line of a megabyte, and one beyond the limit, do not disturb their neighbours', async () => {
    const lines = [
      { ksn },
      { ksn: '0'.repeat(1e6) },
      { ksn },
      { ksn: '0'.repeat(17 * 1024 * 1024) },
      { ksn },
    ];
    const next = { ksn: 'FFFF9876543210E00002' };
    expect(await answersTo('dukpt next --scheme tdes', lines)).toEqual([
      next,
      { error: { code: 'DUKPT_KSN_LENGTH', message: 'KSN of TDES DUKPT: expected 10 bytes, got 500000' } },
      next,
      {
        error: {
          code: 'CLI_LINE_TOO_LONG',
          message: 'expected a line of at most 16777216 bytes, got a longer one',
        },
      },
      next,
    ]);
  });

  test('two hundred thousand lines pass through a heap that could not hold them', async () => {
    const child = spawn(process.execPath, ['--max-old-space-size=24', openkdh, 'dukpt', 'next', '--json']);
    const lines = 200_000;
    const line = `${JSON.stringify({ scheme: 'tdes', ksn })}\n`;
    const input = Readable.from(
      (function* () {
        for (let n = 0; n < lines; n += 1000) yield line.repeat(1000);
      })(),
    );
    let answered = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      answered += chunk.toString().split('\n').length - 1;
    });
    await Promise.all([pipeline(input, child.stdin), once(child, 'close')]);
    expect({ exitCode: child.exitCode, answered }).toEqual({ exitCode: 0, answered: lines });
  });

  test('an answer comes before the next line is sent', async () => {
    const child = start('dukpt next', '--json', '--scheme', 'tdes');
    for (const last of ['2', '3']) {
      child.stdin.write(`{"ksn":"FFFF9876543210E0000${Number(last) - 1}"}\n`);
      const [answer] = await once(child.stdout, 'data');
      expect(String(answer)).toBe(`{"ksn":"FFFF9876543210E0000${last}"}\n`);
    }
    child.stdin.end();
    await once(child, 'close');
  });

  test('a reader that goes away ends it quietly', async () => {
    const child = start('dukpt next', '--json', '--scheme', 'tdes');
    child.stdin.on('error', () => {}); // it goes away, too
    child.stdout.destroy();
    const complaints = text(child.stderr);
    const feed = () => {
      if (child.exitCode === null && child.stdin.writable) child.stdin.write(`{"ksn":"${ksn}"}\n`, feed);
    };
    feed();
    await once(child, 'close');
    expect({ exitCode: child.exitCode, complaints: await complaints }).toEqual({
      exitCode: 141,
      complaints: '',
    });
  });
});
