import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type EnrolmentApi, enrol } from './enrol.ts';

const certificate = '-----BEGIN CERTIFICATE-----\n';
const enrolment = {
  certificates: { tls: certificate, encryption: certificate, signing: certificate },
  chain: certificate,
  kdhTrustAnchor: certificate,
  gatewayTrustAnchor: certificate,
};
const request = { serial: 'SIM-000001', csrs: { tls: 'tls', encryption: 'encryption', signing: 'signing' } };

/** A whole enrolment. */
const enrols = (response: ServerResponse) =>
  response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(enrolment));

describe('enrol', () => {
  let folder: string;
  let server: Server;
  let api: EnrolmentApi;
  /** How the KDH answers, one request after the other. */
  let answers: ((response: ServerResponse) => void)[];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'openkdh-enrol-'));
    const tokenFile = join(folder, 'token');
    writeFileSync(tokenFile, 'token\n');
    server = createServer((_request, response) => answers.shift()!(response)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    api = {
      api: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      tokenFile,
      profileId: 'profile',
    };
  });

  afterEach(async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
    rmSync(folder, { recursive: true });
  });

  const enrolled = (timeoutMs?: number) => enrol(api, request, new AbortController().signal, timeoutMs);

  test('asks again when the connection is cut in the middle of an answer', async () => {
    const cut = (response: ServerResponse) => {
      response.writeHead(201, { 'content-type': 'application/json', 'content-length': 1000 });
      response.write('{"certificates":', () => response.destroy());
    };
    answers = [cut, enrols];
    expect(await enrolled()).toEqual(enrolment);
  });

  test('asks again when an answer does not come, whatever was collected meanwhile', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const collecting = setInterval(collectGarbage, 300);
    answers = [() => {}, enrols];
    try {
      expect(await enrolled(1_000)).toEqual(enrolment);
    } finally {
      clearInterval(collecting);
    }
  });

  test.each([408, 429, 500, 503])('asks again after %i', async (status) => {
    answers = [(response) => response.writeHead(status).end(), enrols];
    expect(await enrolled()).toEqual(enrolment);
  });

  test('says why when the KDH refuses', async () => {
    const refuses = (response: ServerResponse) =>
      response.writeHead(409).end(JSON.stringify({ code: 'SERIAL_TAKEN', detail: 'it is enrolled' }));
    answers = [refuses];
    await expect(enrolled()).rejects.toMatchObject({
      code: 'ENROLMENT_REFUSED',
      message: 'HTTP 409 SERIAL_TAKEN: it is enrolled',
    });
  });

  test('takes no enrolment that lacks a certificate', async () => {
    answers = [(response) => response.writeHead(201).end(JSON.stringify({ ...enrolment, chain: '' }))];
    await expect(enrolled()).rejects.toMatchObject({ code: 'ENROLMENT_REFUSED' });
  });

  test('ends when it is told to stop', async () => {
    const stop = new AbortController();
    answers = [() => stop.abort()];
    await expect(enrol(api, request, stop.signal)).rejects.toThrow('abort');
  });
});
