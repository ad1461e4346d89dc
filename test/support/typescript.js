// Lets node run TypeScript as jest does: `node --conditions openkdh-source --import ./test/support/typescript.js FILE.ts`
import { readFile } from 'node:fs/promises';
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { transform } from '@swc/core';
import jest from '../../jest.config.js';

const [, options] = jest.projects[0].transform['^.+\\.ts$'];

if (isMainThread) register(import.meta.url); // node loads this file once more, in the thread of the hooks

export async function load(url, context, nextLoad) {
  if (!url.endsWith('.ts')) return nextLoad(url, context);
  const filename = fileURLToPath(url);
  const { code } = await transform(await readFile(filename, 'utf8'), {
    ...options,
    filename,
    sourceMaps: 'inline',
  });
  return { format: 'module', source: code, shortCircuit: true };
}
