import { CliError } from '../errors.ts';

/** The log of a running KDH, read through its REST API. */
export interface LogApi {
  /** A path under `/api/v1/log`. @throws CLI_SERVER */
  get(path: string): Promise<Uint8Array>;
  /** The same; undefined where the KDH has no such thing. @throws CLI_SERVER */
  find(path: string): Promise<Uint8Array | undefined>;
}

/** `api`: address of the KDH, http or https. `tokenText`: token of an operator, as in its file. @throws CLI_MEMBER_INVALID */
export function openLogApi(api: string, tokenText: string): LogApi {
  const token = tokenText.trim();
  // fetch would repeat one that no header can carry.
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new CliError('CLI_MEMBER_INVALID', 'tokenFile: expected a token in it');
  if (!URL.canParse('/api/v1/log/', api))
    throw new CliError('CLI_MEMBER_INVALID', 'api: expected an http address');
  const base = new URL('/api/v1/log/', api);
  const find = async (path: string) => {
    const response = await request(new URL(path, base), token);
    if (response.status === 404) return undefined;
    if (!response.ok) throw new CliError('CLI_SERVER', `the KDH answered ${path} with ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  };
  const get = async (path: string) => {
    const bytes = await find(path);
    if (bytes === undefined) throw new CliError('CLI_SERVER', `the KDH has no ${path}`);
    return bytes;
  };
  return { get, find };
}

async function request(url: URL, token: string): Promise<Response> {
  try {
    return await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  } catch (error) {
    // fetch says only "fetch failed"; the reason stands in its cause.
    const reason = (error as { cause?: Error }).cause ?? (error as Error);
    throw new CliError('CLI_SERVER', `the KDH cannot be reached: ${reason.message}`);
  }
}
