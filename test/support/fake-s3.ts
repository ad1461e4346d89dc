import { createServer, type IncomingMessage, type Server } from 'node:http';
import { sigv4Of } from './sigv4.ts';

/** One bucket of S3 in memory, by path style; takes only what the holder of its secret has signed. */
export class FakeS3 {
  /** By the path after the bucket. */
  readonly objects = new Map<string, Uint8Array>();
  readonly accessKeyId = 'AKIDEXAMPLE';
  readonly secret = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
  readonly region = 'eu-central-1';
  readonly bucket = 'kdh-log';
  /** How many objects were written. */
  written = 0;
  #server: Server | undefined;

  /** Returns the address of an archive in it, for KDH_LOG_ARCHIVE. */
  async listen(): Promise<string> {
    this.#server = createServer(async (request, response) => {
      const { status, body } = this.#answer(request, await bodyOf(request));
      response.writeHead(status).end(body);
    });
    await new Promise<void>((resolve) => this.#server!.listen(0, '127.0.0.1', resolve));
    const { port } = this.#server.address() as { port: number };
    return `s3://${this.bucket}/a/b?region=${this.region}&endpoint=http://127.0.0.1:${port}`;
  }

  async close(): Promise<void> {
    this.#server!.closeAllConnections();
    await new Promise((resolve) => this.#server!.close(resolve));
  }

  /** What names its owner, in the environment of whoever calls it. */
  get credentials(): NodeJS.ProcessEnv {
    return { AWS_ACCESS_KEY_ID: this.accessKeyId, AWS_SECRET_ACCESS_KEY: this.secret };
  }

  #answer(request: IncomingMessage, body: Uint8Array): { status: number; body?: Uint8Array } {
    const signature = sigv4Of(request, body);
    const { region, service } = signature ?? {};
    if (region !== this.region || service !== 's3' || !signature?.isBy(this.secret)) return { status: 403 };
    const [, bucket, key] = /^\/([^/]+)\/(.+)$/.exec(request.url!) ?? [];
    if (bucket !== this.bucket || key === undefined) return { status: 404 };
    if (request.method === 'PUT') {
      this.objects.set(key, body);
      this.written += 1;
      return { status: 200 };
    }
    const kept = this.objects.get(key);
    return kept ? { status: 200, body: kept } : { status: 404 };
  }
}

async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
