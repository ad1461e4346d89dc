import { HsmError } from '../errors.ts';

/** Where a payShield listens. Plain TCP is for a device on a wire of its own and has to be asked for. */
export type PayShieldEndpoint =
  | { transport: 'unix'; path: string }
  | { transport: 'tls'; host: string; port: number }
  | { transport: 'tcp'; host: string; port: number };

/**
 * Reads `unix:/path/host.sock`, `tls://host:port` or, only with `allowPlainTcp`, `tcp://host:port`.
 * Throws HSM_BAD_REQUEST for anything else.
 */
export function parseHsmUrl(url: string, options: { allowPlainTcp?: boolean } = {}): PayShieldEndpoint {
  if (url.startsWith('unix:')) {
    const path = url.slice('unix:'.length).replace(/^\/\/(?=\/)/, '');
    if (path.startsWith('/')) return { transport: 'unix', path };
    throw new HsmError(
      'HSM_BAD_REQUEST',
      'HSM address: unix: needs an absolute path, as in unix:/run/hsm/host.sock',
    );
  }
  const match = /^(tls|tcp):\/\/(\[[0-9A-Fa-f:.]+\]|[^:/?#@[\]]+):(\d{1,5})\/?$/.exec(url);
  if (!match) {
    throw new HsmError(
      'HSM_BAD_REQUEST',
      'HSM address: expected unix:/path, tls://host:port or tcp://host:port',
    );
  }
  const transport = match[1] as 'tls' | 'tcp';
  const host = match[2]!.replace(/^\[|\]$/g, '');
  const port = Number(match[3]);
  if (port < 1 || port > 65_535) {
    throw new HsmError('HSM_BAD_REQUEST', `HSM address: port ${port} is not within 1 to 65535`);
  }
  if (transport === 'tcp' && !options.allowPlainTcp) {
    throw new HsmError('HSM_BAD_REQUEST', 'HSM address: plain TCP is not allowed here; use tls:// or unix:');
  }
  return { transport, host, port };
}

/** The endpoint as its address reads; for logs and messages. */
export function formatEndpoint(endpoint: PayShieldEndpoint): string {
  if (endpoint.transport === 'unix') return `unix:${endpoint.path}`;
  const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host;
  return `${endpoint.transport}://${host}:${endpoint.port}`;
}
