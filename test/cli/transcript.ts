/**
 * Command line scripts as text: commands, what they print, and their files, in the manner of age's testdata.
 *
 *   # a remark
 *   $ openkdh kcv --algorithm tdes --key file:key.hex      run by sh, in a folder with the files below
 *   kcv     08D7B4                                        standard output
 *   ! openkdh: …                                          standard error
 *   = 1                                                   exit code, if not 0
 *
 *   -- key.hex --                                         a file, up to the next
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';

/** The command as it is installed; runs what was built. */
export const openkdh = join(import.meta.dirname, '../../apps/cli/openkdh.js');

export interface Step {
  command: string;
  /** What follows the command, up to the next one; without blank lines at its end. */
  printed: string;
}

export interface Script {
  steps: Step[];
  files: Record<string, string>;
}

export function readScript(script: string): Script {
  const [body = '', ...sections] = script.split(/^-- (?=\S+ --$)/m);
  const files = sections.map((section) => {
    const end = section.indexOf(' --\n');
    return [section.slice(0, end), section.slice(end + ' --\n'.length)];
  });
  return { steps: readSteps(body), files: Object.fromEntries(files) };
}

/** The steps in some text: lines that begin with `$ `, each with the lines below it; remarks are left out. */
export function readSteps(script: string): Step[] {
  const lines = script.split('\n').filter((line) => !line.startsWith('# '));
  const [, ...steps] = lines.join('\n').split(/^\$ /m);
  return steps.map((step) => {
    const [command = '', ...printed] = step.split('\n');
    return { command, printed: printed.join('\n').trimEnd() };
  });
}

export interface Result {
  stdout: string;
  stderr: string;
  exitCode: number;
}

/** A folder with the files of a script, in which its commands run. */
export class Workshop {
  readonly folder = mkdtempSync(join(tmpdir(), 'openkdh-cli-'));

  constructor(files: Readonly<Record<string, string | Uint8Array>>) {
    mkdirSync(join(this.folder, '.bin'));
    symlinkSync(openkdh, join(this.folder, '.bin/openkdh'));
    for (const [name, content] of Object.entries(files)) writeFileSync(join(this.folder, name), content);
  }

  /** Without the environment of the tests and, being detached, without a terminal to ask for keys at. */
  async run(command: string): Promise<Result> {
    const path = `${join(this.folder, '.bin')}:${dirname(process.execPath)}:/usr/bin:/bin`;
    const shell = spawn('sh', ['-c', command], {
      cwd: this.folder,
      env: { PATH: path },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [stdout, stderr, [exitCode]] = await Promise.all([
      text(shell.stdout),
      text(shell.stderr),
      once(shell, 'close'),
    ]);
    return { stdout, stderr, exitCode };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}

/** What a command printed, as a script has it. */
export function asPrinted({ stdout, stderr, exitCode }: Result): string {
  const refused = stderr.replace(/^(?=.)/gm, '! ').replace(/^$(?=\n.)/gm, '!');
  return `${stdout}${refused}${exitCode === 0 ? '' : `= ${exitCode}\n`}`.trimEnd();
}
