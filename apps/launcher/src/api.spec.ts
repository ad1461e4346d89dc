import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Api, openApi } from './api.ts';

let server: Server;
let api: Api;

beforeAll(async () => {
  server = createServer(async (request, response) => {
    const authorized = request.headers.authorization === 'Bearer token';
    if (request.url === '/api/v1/broken') return void response.writeHead(502).end('<html>');
    if (!authorized || request.url === '/api/v1/refused') {
      const problem = { title: 'Conflict', detail: 'there is one already' };
      return void response
        .writeHead(409, { 'content-type': 'application/problem+json' })
        .end(JSON.stringify(problem));
    }
    const body = (await request.toArray()).join('');
    response.end(JSON.stringify({ method: request.method, body }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  api = openApi(`http://127.0.0.1:${(server.address() as { port: number }).port}`, 'token');
});

afterAll(() => {
  server.close();
});

test('GET and POST bring the token, and the body as JSON', async () => {
  expect(await api.get('/x')).toEqual({ method: 'GET', body: '' });
  expect(await api.post('/x', { a: 1 })).toEqual({ method: 'POST', body: '{"a":1}' });
});

test('a refusal is told in the words of its problem', async () => {
  await expect(api.post('/refused', {})).rejects.toMatchObject({
    code: 'API_REFUSED',
    message: 'POST /refused was answered 409: there is one already',
  });
});

test('an answer that is no problem document is told by its status', async () => {
  await expect(api.get('/broken')).rejects.toThrow('GET /broken was answered 502: Bad Gateway');
});
