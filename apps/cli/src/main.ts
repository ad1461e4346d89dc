import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { parseCommandLine, type Run } from './command-line.ts';
import { commands } from './commands.ts';
import { type ExitCode, exitCodeOf, exitCodes, refusalOf } from './errors.ts';
import { answerLines } from './json-lines.ts';
import { askForMissing, gatherRequest, missingMembers, wipeRequest } from './request.ts';
import { printable } from './text/printable.ts';
import { refusalLine } from './text/refusal.ts';

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.brokenPipe);
  process.stderr.write(`openkdh: ${error.message}\n`);
  process.exit(exitCodes.misused);
});
process.stderr.on('error', () => {}); // nobody reads the warnings
process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<ExitCode> {
  try {
    const line = parseCommandLine(args, commands);
    if (line.kind === 'run') return await run(line);
    await write(line.kind === 'help' ? line.text : `openkdh ${version()}\n`);
    return exitCodes.done;
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === undefined) throw error;
    process.stderr.write(printable(refusalLine(refusal)));
    return exitCodeOf(refusal);
  }
}

async function run({ command, json, given }: Run): Promise<ExitCode> {
  const request = await gatherRequest(command, given, {
    environment: process.env,
    warn: (warning) => process.stderr.write(`${warning}\n`),
  });
  try {
    if (json && !command.interactive && missingMembers(command, request).length > 0) {
      for await (const answers of answerLines(command, request, process.stdin)) await write(answers);
      return exitCodes.done;
    }
    await askForMissing(command, request);
    const { answer, refusal, words, exitCode } = await command.run(request);
    if (json) await write(`${JSON.stringify(answer)}\n`);
    else if (refusal) process.stderr.write(printable(words()));
    else await write(printable(words()));
    return exitCode;
  } finally {
    wipeRequest(request);
  }
}

async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}

function version(): string {
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
