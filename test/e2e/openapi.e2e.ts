import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Stack } from '../support/stack.ts';

const file = join(import.meta.dirname, '../../docs/openapi.json');
let stack: Stack;

beforeAll(async () => {
  stack = await Stack.start();
});
afterAll(() => stack.stop());

test('docs/openapi.json is what the server describes; OPENKDH_WRITE_OPENAPI=1 renews it', async () => {
  const described = await (await fetch(`${stack.httpUrl}/api/docs-json`)).json();
  const text = `${JSON.stringify(described, null, 2)}\n`;
  if (process.env['OPENKDH_WRITE_OPENAPI'] === '1') writeFileSync(file, text);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(described);
});

test('the page at /api/docs is served, and every route but health asks for a token', async () => {
  const page = await fetch(`${stack.httpUrl}/api/docs`);
  expect([page.status, page.headers.get('content-type')]).toEqual([
    200,
    expect.stringContaining('text/html'),
  ]);
  const { paths } = JSON.parse(readFileSync(file, 'utf8')) as {
    paths: Record<string, Record<string, { security?: unknown[] }>>;
  };
  const open = Object.entries(paths).flatMap(([path, methods]) =>
    Object.values(methods)
      .filter(({ security }) => !security)
      .map(() => path),
  );
  expect(open.sort()).toEqual(['/api/v1/health', '/api/v1/ready']);
});
