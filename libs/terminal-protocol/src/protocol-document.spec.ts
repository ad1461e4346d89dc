import { createHash, createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { conversation, kbpkResult, keys, keysResult, loadKeys, serial } from '../test/conversation.ts';
import { protocolCodes } from './codes.ts';
import { protocolLimits } from './limits.ts';
import { kdhMessages, type MessageRow, terminalMessages } from './messages.ts';
import { allPhases } from './phases.ts';
import { inventoryDigest, loadResultSignedBytes } from './signed-bytes.ts';

const page = readFileSync(new URL('../../../docs/protocol.md', import.meta.url), 'utf8');

/** The cells of the table that begins with this header row. */
function table(header: string): string[][] {
  const rows = page.slice(page.indexOf(header)).split('\n\n')[0]!.split('\n').slice(2);
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** The part of section 6 about a message. */
function section(type: string): string {
  const parts = page.split(/^### /m).filter((part) => new RegExp(`^[^\n]*\\b${type}\\b`).test(part));
  return parts[0]!.split(/^## /m)[0]!;
}

/** A recorded value as the page shows it: texts of more than 80 characters are cut after 24. */
function cut(value: unknown): unknown {
  if (typeof value === 'string') return value.length > 80 ? `${value.slice(0, 24)}…` : value;
  if (Array.isArray(value)) return value.map(cut);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, cut(member)]));
}

/** `a`, `a.b`, `a[].b`: the members of a body as the tables name them. */
function memberPaths(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => memberPaths(item, `${path}[]`));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) => {
    const at = path ? `${path}.${name}` : name;
    const nested = memberPaths(member, at);
    return nested.length > 0 ? nested : [at];
  });
}

describe('docs/protocol.md', () => {
  test('the examples are frames of the recorded conversation, at least one of each message', () => {
    const recorded = conversation.map(({ frame }) => cut(frame));
    const examples = [...page.matchAll(/```json\n(.*?)```/gs)].map(
      ([, json]) => JSON.parse(json!) as { t: string },
    );
    for (const example of examples) expect(recorded).toContainEqual(example);
    const types = [...Object.keys(terminalMessages), ...Object.keys(kdhMessages)];
    expect(new Set(examples.map(({ t }) => t))).toEqual(new Set(types));
  });

  test.each(conversation.map(({ frame }) => [frame.t, frame.b] as const))(
    '%s: every member is explained',
    (type, body) => {
      const text = section(type);
      for (const path of memberPaths(body)) expect(text).toContain(`\`${path}\``);
    },
  );

  test('the code table', () => {
    expect(table('| number | name |')).toEqual(
      Object.entries(protocolCodes).map(([name, { number, httpStatus, fatal, closeCode, meaning }]) => [
        String(number),
        name,
        String(httpStatus ?? ''),
        fatal ? 'yes' : '',
        String(closeCode),
        meaning,
      ]),
    );
  });

  test('every code that the page names is in the table', () => {
    const numbers = new Set<number>(Object.values(protocolCodes).map(({ number }) => number));
    for (const [, code] of page.matchAll(/\| (\d{4}) \|\n/g)) expect(numbers).toContain(Number(code));
  });

  test('the phases of each message', () => {
    const rows = (sender: string, messages: Record<string, MessageRow>) =>
      Object.entries(messages).map(([type, { phases }]) => [
        type,
        sender,
        ...allPhases.map((phase) => (phases.includes(phase) ? '●' : '')),
      ]);
    expect(table('| message | from |')).toEqual([
      ...rows('terminal', terminalMessages),
      ...rows('KDH', kdhMessages),
    ]);
    expect(page).toContain(`| message | from | ${allPhases.join(' | ')} |`);
  });

  test('the limits', () => {
    const {
      maxFrameBytes,
      maxDepth,
      helloTimeoutMs,
      pingMs,
      pongTimeoutMs,
      reconnectFirstMs,
      reconnectLongestMs,
    } = protocolLimits;
    for (const number of [maxFrameBytes, helloTimeoutMs, pingMs, pongTimeoutMs, 2 * pongTimeoutMs]) {
      expect(page).toContain(number.toLocaleString('en'));
    }
    expect(page).toContain(`nested at most ${maxDepth} deep`);
    expect(page).toContain(`min(${reconnectFirstMs / 1000} s · 2ⁿ, ${reconnectLongestMs / 60_000} min)`);
  });

  test('links inside the page and to files lead somewhere', () => {
    const headings = [...page.matchAll(/^## (.*)$/gm)].map(([, title]) =>
      title!
        .toLowerCase()
        .replaceAll(/[^a-z0-9 -]/g, '')
        .replaceAll(' ', '-'),
    );
    for (const [, anchor] of page.matchAll(/\]\(#([^)]*)\)/g)) expect(headings).toContain(anchor);
    for (const [, file] of page.matchAll(/\]\((?!#)([^)]*)\)/g)) {
      expect(readFileSync(new URL(`../../../docs/${file}`, import.meta.url)).length).toBeGreaterThan(0);
    }
  });
});

describe('the worked example of section 9', () => {
  const example = page.slice(page.indexOf('**Worked example.**'), page.indexOf('## 10.'));
  const blocks = [...example.matchAll(/```\n(.*?)\n```/gs)].map(([, text]) => text!);
  const [plan, signedJson, publicKey, signature] = blocks as [string, string, string, string];

  test('the plan in full', () => {
    expect(plan.split('\n').map((line) => line.split(/ +/))).toEqual(
      loadKeys.plan.map(({ slot, tr31 }) => [slot, tr31]),
    );
  });

  test('keys and hashes', () => {
    const { kbpkAes, kbpkTdes, pin, data } = keys;
    const numbers = [
      kbpkAes,
      kbpkTdes,
      pin,
      data,
      loadKeys.planHash,
      kbpkResult.planHash,
      inventoryDigest([]),
    ];
    for (const number of numbers) expect(example).toContain(`\`${number}\``);
  });

  test('the signed bytes, their hash, and the signature under the key shown', () => {
    const signed = Buffer.from(`kdh.v1/LOAD_RESULT\n${signedJson}`);
    expect(signed).toEqual(Buffer.from(loadResultSignedBytes(keysResult, serial)));
    expect(example).toContain(`\`${createHash('sha256').update(signed).digest('hex').toUpperCase()}\``);
    const der = Buffer.from(signature, 'base64');
    expect(signature).toBe(keysResult.signature);
    expect(verify('sha256', signed, createPublicKey(publicKey), der)).toBe(true);
  });
});
