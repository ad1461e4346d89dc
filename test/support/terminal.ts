import { spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * Runs a shell command at a terminal of its own (util-linux `script`), where a person answers: `answer` gets each question,
 * the line that ends in a colon and a space, and returns what is typed. The result is what the person has seen.
 */
export async function atTerminal(
  command: string,
  where: { cwd: string; env: NodeJS.ProcessEnv },
  answer: (question: string) => string,
): Promise<{ seen: string; exitCode: number }> {
  const script = spawn('script', ['-qefc', command, '/dev/null'], where);
  let seen = '';
  let answered = 0;
  script.stdout.on('data', (chunk: Buffer) => {
    seen += chunk.toString().replaceAll('\r\n', '\n');
    const question = /[^\n]+: $/.exec(seen.slice(answered))?.[0];
    if (question === undefined) return;
    answered = seen.length;
    try {
      script.stdin.write(`${answer(question)}\r`);
    } catch (error) {
      script.kill();
      seen += String(error);
    }
  });
  const [exitCode] = await once(script, 'close');
  return { seen, exitCode };
}
