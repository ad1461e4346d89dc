import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Answer, Witness } from './witness.ts';

/** 63 hashes and a checkpoint with many cosignatures have room. */
const longestBody = 64 * 1024;

/** Anybody may connect: the protocol has no other authentication than the log's signature. */
const limits = {
  connections: 64,
  headerBytes: 8 * 1024,
  headersMilliseconds: 3_000,
  requestMilliseconds: 10_000,
  idleMilliseconds: 60_000,
  /** How often the times are checked. */
  checkMilliseconds: 1_000,
} as const;

export interface Listening {
  readonly url: string;
  close(): Promise<void>;
}

export interface ListenOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Certificate chain and private key, PEM. */
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  /** What a request failed with, other than a refusal. */
  readonly failed: (error: Error) => void;
}

/** Serves add-checkpoint, and nothing else. C2SP tlog-witness. Rejects with what the address is refused for. */
export async function listen(
  witness: Witness,
  { host, port, tls, failed }: ListenOptions,
): Promise<Listening> {
  const options = {
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersMilliseconds,
    requestTimeout: limits.requestMilliseconds,
    keepAliveTimeout: limits.idleMilliseconds,
    connectionsCheckingInterval: limits.checkMilliseconds,
  };
  const handle: http.RequestListener = (request, response) => {
    answer(witness, request).then(
      (given) => send(response, given),
      (error: Error) => {
        failed(error);
        send(response, { status: 500, type: 'text/plain', text: 'the witness cannot answer now\n' });
      },
    );
  };
  const server = tls
    ? https.createServer({ ...options, ...tls, minVersion: 'TLSv1.2' }, handle)
    : http.createServer(options, handle);
  server.maxConnections = limits.connections;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, resolve);
  });
  const { port: actual } = server.address() as AddressInfo;
  return {
    url: `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${actual}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
}

async function answer(witness: Witness, request: http.IncomingMessage): Promise<Answer> {
  if (request.url !== '/add-checkpoint') {
    return { status: 404, type: 'text/plain', text: 'a witness answers to POST /add-checkpoint only\n' };
  }
  if (request.method !== 'POST')
    return { status: 405, type: 'text/plain', text: 'expected the method POST\n' };
  const body = await bodyOf(request);
  if (body === undefined) {
    return { status: 413, type: 'text/plain', text: `expected a body of at most ${longestBody} bytes\n` };
  }
  return witness.addCheckpoint(body);
}

/** Undefined for one that is too long; the rest of it is not read. */
async function bodyOf(request: http.IncomingMessage): Promise<Uint8Array | undefined> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of request.iterator({ destroyOnReturn: false })) {
    length += (piece as Buffer).length;
    if (length > longestBody) return undefined;
    pieces.push(piece as Buffer);
  }
  return Buffer.concat(pieces);
}

function send(response: http.ServerResponse, { status, type, text }: Answer): void {
  if (status === 413) response.setHeader('connection', 'close');
  if (status === 405) response.setHeader('allow', 'POST');
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) }).end(text);
}
