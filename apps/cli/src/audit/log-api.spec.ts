import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openLogApi } from './log-api.ts';

/** Answers as a KDH does: with a token, and with what it has. */
const kdh: Server = createServer((request, response) => {
  if (request.headers.authorization !== 'Bearer good') response.writeHead(401).end();
  else if (request.url === '/api/v1/log/checkpoint') response.end('note');
  else response.writeHead(404).end();
});
let address: string;
beforeAll(async () => {
  await once(kdh.listen(0, '127.0.0.1'), 'listening');
  address = `http://127.0.0.1:${(kdh.address() as AddressInfo).port}`;
});
afterAll(() => {
  kdh.close();
});

test('gets what is there, with the token as it is in a file', async () => {
  const log = openLogApi(address, 'good\n');
  expect(Buffer.from(await log.get('checkpoint')).toString()).toBe('note');
});

test('what is not there can be asked for, or is refused', async () => {
  const log = openLogApi(address, 'good');
  expect(await log.find('tile/0/000')).toBeUndefined();
  await expect(log.get('tile/0/000')).rejects.toMatchObject({
    code: 'CLI_SERVER',
    message: 'the KDH has no tile/0/000',
  });
});

test('a refusal of the KDH is told', async () => {
  await expect(openLogApi(address, 'bad').get('checkpoint')).rejects.toMatchObject({
    code: 'CLI_SERVER',
    message: 'the KDH answered checkpoint with 401',
  });
});

test('a KDH that is not there', async () => {
  const nobody = createServer();
  await once(nobody.listen(0, '127.0.0.1'), 'listening');
  const { port } = nobody.address() as AddressInfo;
  nobody.close();
  await expect(openLogApi(`http://127.0.0.1:${port}`, 'good').get('key')).rejects.toMatchObject({
    code: 'CLI_SERVER',
    message: expect.stringContaining('ECONNREFUSED'),
  });
});

test.each(['', 'two words', 'two\nlines', 'käse'])('%j is no token, and is not repeated', (token) => {
  expect(() => openLogApi(address, token)).toThrow('tokenFile: expected a token in it');
});

test.each(['', 'kdh', '/api'])('%j is no address', (api) => {
  expect(() => openLogApi(api, 'good')).toThrow('api: expected an http address');
});
