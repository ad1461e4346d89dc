import { defaultProvider } from '@aws-sdk/credential-provider-node';
import { Hash } from '@smithy/hash-node';
import { SignatureV4 } from '@smithy/signature-v4';
import type { Archive } from './archive.ts';
import type { ArchiveAddress } from './archive-address.ts';
import { ArchiveError } from './archive-error.ts';

/** Of one request: a bundle has at most 16 MB, and most have 0.1. */
const TIMEOUT_MILLISECONDS = 10_000;

/** S3, or a store that speaks as it does: GetObject and PutObject, signed with SigV4. Credentials as the AWS SDK finds them. */
export class S3Archive implements Archive {
  private readonly base: URL;
  private readonly signer: SignatureV4;

  constructor({ base, region }: Extract<ArchiveAddress, { kind: 's3' }>) {
    this.base = base;
    this.signer = new SignatureV4({
      service: 's3',
      region,
      credentials: defaultProvider(),
      sha256: Hash.bind(null, 'sha256'),
      uriEscapePath: false, // S3 alone signs the path as it is sent
    });
  }

  async get(path: string): Promise<Uint8Array | undefined> {
    const response = await this.send('GET', path);
    return response && new Uint8Array(response);
  }

  async put(path: string, bytes: Uint8Array): Promise<void> {
    const stored = await this.send('PUT', path, bytes);
    if (!stored)
      throw new ArchiveError('ARCHIVE_AWAY', 'the archive answered PUT with 404: is there such a bucket?');
  }

  /** The body of the answer; `undefined` for 404. */
  private async send(
    method: 'GET' | 'PUT',
    path: string,
    body?: Uint8Array,
  ): Promise<ArrayBuffer | undefined> {
    const url = new URL(path, this.base);
    try {
      const { headers } = await this.signer.sign({
        method,
        protocol: url.protocol,
        hostname: url.hostname,
        path: url.pathname,
        headers: { host: url.host },
        body,
      });
      const { host: _, ...sent } = headers; // fetch writes it, from the URL
      const signal = AbortSignal.timeout(TIMEOUT_MILLISECONDS);
      const response = await fetch(url, { method, headers: sent, signal, ...(body && { body }) });
      const answer = await response.arrayBuffer();
      if (response.status === 404) return undefined;
      if (!response.ok) throw new Error(`${method} was answered with ${response.status}`);
      return answer;
    } catch (error) {
      throw new ArchiveError('ARCHIVE_AWAY', `the archive at ${url.host}: ${(error as Error).message}`);
    }
  }
}
