import { describe, expect, test } from '@jest/globals';
import { Intake, networkOf } from './intake.ts';
import { gatewayLimits } from './limits.ts';

const { handshakesInFlight, handshakesInFlightPerAddress, addressBurstSeconds } = gatewayLimits;

describe('intake of TLS handshakes', () => {
  const admitted = (intake: Intake, remoteAddress: string, count: number, now = 0) =>
    Array.from({ length: count }, (_, remotePort) => intake.enter({ remoteAddress, remotePort }, now)).filter(
      Boolean,
    ).length;

  test('so many at a time from one address; one that ends makes room for one', () => {
    const intake = new Intake(1_000);
    expect(admitted(intake, '192.0.2.1', 1_000)).toBe(handshakesInFlightPerAddress);
    expect(admitted(intake, '192.0.2.2', 1)).toBe(1);
    intake.leave('192.0.2.1', 0);
    intake.leave('192.0.2.1', 0); // its end and its close: counts once
    expect(admitted(intake, '192.0.2.1', 2)).toBe(1);
  });

  test('so many at a time on the node', () => {
    const intake = new Intake(1_000);
    const addresses = Array.from({ length: 10 }, (_, n) => `192.0.2.${n}`);
    const total = addresses.reduce((sum, address) => sum + admitted(intake, address, 200), 0);
    expect(total).toBe(handshakesInFlight);
  });

  test('so many a second from one address, however short each is', () => {
    const intake = new Intake(2);
    const connect = (now: number) => {
      const enters = intake.enter({ remoteAddress: '192.0.2.1', remotePort: 1 }, now);
      intake.leave('192.0.2.1', 1);
      return enters;
    };
    const burst = Array.from({ length: 50 }, () => connect(0)).filter(Boolean);
    expect(burst).toHaveLength(2 * addressBurstSeconds);
    expect([connect(499), connect(500), connect(500)]).toEqual([false, true, false]);
    expect(intake.enter({ remoteAddress: '192.0.2.2', remotePort: 1 }, 500)).toBe(true);
  });

  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::6', '2001:db8:1:2'],
    ['2001:db8::6', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
  ])('%s is of the network %s', (address, network) => expect(networkOf(address)).toBe(network));
});
