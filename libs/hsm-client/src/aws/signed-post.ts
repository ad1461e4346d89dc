import type { PaymentCryptographyClient } from '@aws-sdk/client-payment-cryptography';
import { SignatureV4 } from '@smithy/signature-v4';

/** Name of the service in signatures, of both planes. */
const SERVICE = 'payment-cryptography';

export type Plane = 'controlplane' | 'dataplane';

export interface SignedPostOptions {
  region: string;
  /** Instead of the region's. */
  endpoint?: string | undefined;
}

/** Sends JSON and resolves with the answer's; throws what `call` takes for an error of the SDK. */
export type SignedPost = (
  where: { plane: Plane; path: string; target?: string },
  body: object,
  signal: AbortSignal,
) => Promise<Record<string, unknown>>;

/**
 * Calls that the SDK's client does not have: of the data plane, and newer ones of the control plane. Credentials and
 * hash are the client's. `target`: of JSON RPC, as on the control plane; without it the call is REST.
 */
export function signedPost(
  { config }: PaymentCryptographyClient,
  { region, endpoint }: SignedPostOptions,
): SignedPost {
  const signer = new SignatureV4({
    service: SERVICE,
    region,
    credentials: config.credentials,
    sha256: config.sha256,
  });
  return async ({ plane, path, target }, body, signal) => {
    const url = new URL(path, endpoint ?? `https://${plane}.${SERVICE}.${region}.amazonaws.com`);
    const text = JSON.stringify(body);
    const { headers } = await signer.sign({
      method: 'POST',
      protocol: url.protocol,
      hostname: url.hostname,
      path: url.pathname,
      headers: {
        host: url.host,
        ...(target === undefined
          ? { 'content-type': 'application/json' }
          : { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': target }),
      },
      body: text,
    });
    const { host: _, ...sent } = headers; // fetch writes it, from the URL
    const response = await fetch(url, { method: 'POST', headers: sent, body: text, signal });
    const answer = await jsonObject(response);
    if (!response.ok || answer === undefined) throw serviceError(response, answer);
    return answer;
  };
}

/** `undefined` for what is not an object in JSON. Throws when the connection breaks on the way. */
async function jsonObject(response: Response): Promise<Record<string, unknown> | undefined> {
  const text = await response.text();
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** In the form of the SDK's errors. REST names the exception in a header, JSON RPC in the body. */
function serviceError(response: Response, answer: Record<string, unknown> = {}): Error {
  const type = String(response.headers.get('x-amzn-errortype') ?? answer['__type'] ?? 'UnknownError');
  return Object.assign(new Error('the service refused'), {
    // com.amazonaws.paymentcryptography#ThrottlingException:http://…
    name: type.split(':')[0]!.split('#').at(-1)!,
    $metadata: {
      httpStatusCode: response.status,
      requestId: response.headers.get('x-amzn-requestid') ?? undefined,
    },
  });
}
