import { PassThrough } from 'node:stream';
import { expect, test } from '@jest/globals';
import type { Response } from 'express';
import type { Columns } from '../http/csv.ts';
import { sendAll } from './export.ts';

const columns: Columns<{ n: number; note: string }> = {
  names: ['n', 'note'],
  rowsOf: ({ n, note }) => [[n, note]],
};

const record = async () => {};

/** A response that keeps what is sent; small, so that it is full after each page. */
function recorder() {
  const stream = new PassThrough({ highWaterMark: 16 });
  const headers: Record<string, string> = {};
  const response = Object.assign(stream, {
    type: (type: string) => Object.assign(headers, { type }),
    setHeader: (name: string, value: string) => Object.assign(headers, { [name]: value }),
  });
  return { response: response as unknown as Response, stream, headers };
}

/** Three pages of two records, then the end; notes which were asked for. */
function pages(asked: (string | undefined)[]) {
  return async (after: string | undefined) => {
    asked.push(after);
    const first = Number(after ?? 0);
    const records = [first, first + 1].map((n) => ({ n, note: n === 3 ? '=1+1' : 'ä' }));
    return { records, next: first < 4 ? String(first + 2) : null };
  };
}

async function textOf(stream: PassThrough): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

test('CSV: one head, every page, formulas defused', async () => {
  const { response, stream, headers } = recorder();
  const asked: (string | undefined)[] = [];
  const [text] = await Promise.all([
    textOf(stream),
    sendAll(response, { name: 'numbers', format: 'csv', columns, record }, pages(asked)),
  ]);
  expect(text).toBe("n,note\r\n0,ä\r\n1,ä\r\n2,ä\r\n3,'=1+1\r\n4,ä\r\n5,ä\r\n");
  expect(asked).toEqual([undefined, '2', '4']);
  expect(headers).toEqual({
    type: 'text/csv; charset=utf-8',
    'content-disposition': 'attachment; filename="numbers.csv"',
  });
});

test('JSON lines: the records as they are', async () => {
  const { response, stream } = recorder();
  const [text] = await Promise.all([
    textOf(stream),
    sendAll(response, { name: 'numbers', format: 'jsonl', columns, record }, pages([])),
  ]);
  expect(
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).n),
  ).toEqual([0, 1, 2, 3, 4, 5]);
});

test('no page is read before the one before is taken', async () => {
  const { response, stream } = recorder();
  const asked: (string | undefined)[] = [];
  const sending = sendAll(response, { name: 'numbers', format: 'jsonl', columns, record }, pages(asked));
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(asked).toEqual([undefined]);
  stream.resume();
  await sending;
  expect(asked).toHaveLength(3);
});

test('whoever goes away ends it', async () => {
  const { response, stream } = recorder();
  const asked: (string | undefined)[] = [];
  const sending = sendAll(response, { name: 'numbers', format: 'jsonl', columns, record }, pages(asked));
  await new Promise((resolve) => setImmediate(resolve));
  stream.destroy();
  await sending;
  expect(asked).toEqual([undefined]);
});

test('a page that fails is an error, and the export does not end as if it were whole', async () => {
  const { response, stream } = recorder();
  stream.resume();
  let ended = false;
  stream.on('finish', () => {
    ended = true;
  });
  const failing = async (after: string | undefined) => {
    if (after !== undefined) throw new Error('the database is gone');
    return { records: [{ n: 0, note: '' }], next: '1' };
  };
  const sending = sendAll(response, { name: 'numbers', format: 'csv', columns, record }, failing);
  await expect(sending).rejects.toThrow('the database is gone');
  expect(ended).toBe(false);
});

test('what cannot be recorded is not sent', async () => {
  const { response, stream, headers } = recorder();
  const failing = async () => {
    throw new Error('no event');
  };
  const shape = { name: 'numbers', format: 'csv', columns, record: failing } as const;
  await expect(sendAll(response, shape, pages([]))).rejects.toThrow('no event');
  expect([headers, stream.readableLength]).toEqual([{}, 0]);
});
