import { createHash, createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Uint8Array, data: string): Buffer =>
  createHmac('sha256', key).update(data).digest();

/** RFC 3986: everything but unreserved characters. */
const uriEncode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

/** Signature Version 4 of AWS, worked out from the request as it came; `undefined` for a request without one. */
export interface Sigv4 {
  region: string;
  service: string;
  /** Whether the holder of `secret` has signed this method, path, these headers and this body. */
  isBy(secret: string): boolean;
}

export function sigv4Of({ method, url = '', headers }: IncomingMessage, body: Uint8Array): Sigv4 | undefined {
  const form =
    /^AWS4-HMAC-SHA256 Credential=[^/]+\/(\d{8})\/([a-z0-9-]+)\/([a-z0-9-]+)\/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$/;
  const [, date, region, service, signedHeaders, signature] = form.exec(headers.authorization ?? '') ?? [];
  if (date === undefined || region === undefined || service === undefined) return undefined;
  const canonicalRequest = [
    method,
    // The path is encoded again: only S3 takes it as it is.
    url.split('/').map(uriEncode).join('/'),
    '', // no query
    ...signedHeaders!.split(';').map((name) => `${name}:${String(headers[name]).trim()}`),
    '',
    signedHeaders,
    sha256(body),
  ].join('\n');
  const scope = `${date}/${region}/${service}/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, sha256(canonicalRequest)].join('\n');
  return {
    region,
    service,
    isBy(secret) {
      const key = [date, region, service, 'aws4_request'].reduce<string | Buffer>(hmac, `AWS4${secret}`);
      return hmac(key, toSign).toString('hex') === signature;
    },
  };
}
