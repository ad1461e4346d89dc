import 'reflect-metadata';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { RequestMethod, type Type } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';

const source = join(import.meta.dirname, '..');
const document = readFileSync(join(source, '../../../docs/audit-log.md'), 'utf8');
const section = document.split('## Which act writes which event\n')[1]!.split('\n## ')[0]!;
const listed = [...section.matchAll(/^\| `([A-Z]+ \/api\/v1\/[^`]*)` \| (.+) \|$/gm)].map(
  ([, route, event]) => ({ route: route!, event: event! }),
);

/** Every route of every controller there is, as Nest has it. */
async function routes(): Promise<string[]> {
  const found: string[] = [];
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' });
  for (const file of files.filter((name) => name.endsWith('.controller.ts'))) {
    for (const controller of Object.values((await import(join(source, file))) as Record<string, Type>)) {
      const base = Reflect.getMetadata(PATH_METADATA, controller) as string | undefined;
      if (base === undefined) continue;
      for (const name of Object.getOwnPropertyNames(controller.prototype)) {
        const handler = Object.getOwnPropertyDescriptor(controller.prototype, name)?.value as
          | object
          | undefined;
        if (handler === undefined) continue; // a getter
        const method = Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod | undefined;
        if (method === undefined) continue;
        const path = Reflect.getMetadata(PATH_METADATA, handler) as string;
        const whole = `/${base}${path === '/' ? '' : `/${path}`}`;
        found.push(`${RequestMethod[method]} ${whole.replace(/:(\w+)|\*(\w+)/g, '{$1$2}')}`);
      }
    }
  }
  return found;
}

test('every route that changes something is in the table of acts and events, and no route that is not there', async () => {
  const all = await routes();
  expect(all.length).toBeGreaterThan(40);
  const inTable = listed.map(({ route }) => route);
  expect(inTable.filter((route) => !all.includes(route))).toEqual([]);
  const changing = all.filter((route) => !route.startsWith('GET '));
  expect(changing.filter((route) => !inTable.includes(route))).toEqual([]);
  expect(new Set(inTable).size).toBe(inTable.length);
});

test('each says its event, or why there is none', () => {
  for (const { route, event } of listed)
    expect([route, event]).toEqual([
      route,
      expect.stringMatching(/^(`[a-z]+\.[a-z-]+`|none: .{20}|none, as above$)/),
    ]);
});
