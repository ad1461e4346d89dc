import type { Socket } from 'node:net';
import { gatewayLimits } from './limits.ts';
import { TokenBuckets } from './token-bucket.ts';

/**
 * Who may begin a TLS handshake: so many at a time on this node and from one address, and so many a second from one
 * address. Judged by the TCP connection alone, before anything is spent on it.
 */
export class Intake {
  private readonly rates: TokenBuckets;
  /** Handshakes under way by address, and the address of each by its endpoint. */
  private readonly byAddress = new Map<string, number>();
  private readonly endpoints = new Map<string, string>();

  constructor(addressConnectionsPerSecond: number) {
    this.rates = new TokenBuckets({
      perSecond: addressConnectionsPerSecond,
      burst: addressConnectionsPerSecond * gatewayLimits.addressBurstSeconds,
    });
  }

  /** False: the connection is to be cut. Else it counts until `leave` is called with its endpoint. */
  enter(
    { remoteAddress = '', remotePort }: Pick<Socket, 'remoteAddress' | 'remotePort'>,
    now: number,
  ): boolean {
    const address = networkOf(remoteAddress);
    const underWay = this.byAddress.get(address) ?? 0;
    if (
      this.endpoints.size >= gatewayLimits.handshakesInFlight ||
      underWay >= gatewayLimits.handshakesInFlightPerAddress ||
      !this.rates.take(address, now)
    ) {
      return false;
    }
    this.byAddress.set(address, underWay + 1);
    this.endpoints.set(`${remoteAddress} ${remotePort}`, address);
    return true;
  }

  /** The handshake is over, or the connection closed; may be called for both. */
  leave(remoteAddress: string | undefined, remotePort: number | undefined): void {
    const endpoint = `${remoteAddress} ${remotePort}`;
    const address = this.endpoints.get(endpoint);
    if (address === undefined) return;
    this.endpoints.delete(endpoint);
    const left = (this.byAddress.get(address) as number) - 1;
    if (left > 0) this.byAddress.set(address, left);
    else this.byAddress.delete(address);
  }
}

/** An IPv4 address, or the /64 of an IPv6 address: whoever has one has all of it (RFC 6177). */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address)?.[1];
  if (mapped || !address.includes(':')) return mapped ?? address;
  const [head = '', tail] = address.split('::');
  const groups = head.split(':').filter(Boolean);
  const after = (tail ?? '').split(':').filter(Boolean);
  const zeros = tail === undefined ? [] : Array<string>(8 - groups.length - after.length).fill('0');
  return [...groups, ...zeros, ...after].slice(0, 4).join(':');
}
