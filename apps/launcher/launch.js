// Builds what has changed since the last start, then hands over to the launcher itself.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const compiler = `${repository}node_modules/typescript/bin/tsc`;

if (!existsSync(compiler)) {
  process.stderr.write('The packages are not installed. Run first: npm ci\n');
  process.exitCode = 1;
} else {
  process.stderr.write('Building ...\n');
  const build = spawnSync(process.execPath, [compiler, '-b'], { cwd: repository, stdio: ['ignore', 2, 2] });
  if (build.status === 0) await import('./dist/main.js');
  else process.exitCode = 1;
}
