import { describe, expect, test } from '@jest/globals';
import { CircuitBreaker } from './circuit-breaker.ts';

const withoutJitter = () => new CircuitBreaker(() => 1);

describe('circuit breaker', () => {
  test('four failures in a row are borne, the fifth opens', () => {
    const circuit = withoutJitter();
    for (let i = 0; i < 4; i++) expect(circuit.failed(0)).toBe(false);
    expect(circuit.failed(0)).toBe(true);
    expect(circuit.allows(249)).toBe(false);
    expect(circuit.allows(250)).toBe(true);
  });

  test('an answer between failures starts the count again', () => {
    const circuit = withoutJitter();
    for (let i = 0; i < 4; i++) circuit.failed(0);
    circuit.served();
    for (let i = 0; i < 4; i++) expect(circuit.failed(0)).toBe(false);
  });

  test('the pause doubles with each failed attempt, up to 30 seconds', () => {
    const circuit = withoutJitter();
    const pauses = Array.from({ length: 9 }, () => {
      circuit.trip(1000);
      return circuit.retryAtMs! - 1000;
    });
    expect(pauses).toEqual([250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  });

  test('after a pause a connection is a trial: one failure opens again, for longer', () => {
    const circuit = withoutJitter();
    circuit.trip(0);
    circuit.connected();
    expect(circuit.open).toBe(false);
    expect(circuit.failed(1000)).toBe(true);
    expect(circuit.retryAtMs).toBe(1500);
  });

  test('after a pause and an answer all is forgotten', () => {
    const circuit = withoutJitter();
    circuit.trip(0);
    circuit.connected();
    circuit.served();
    expect(circuit.failed(1000)).toBe(false);
    circuit.trip(1000);
    expect(circuit.retryAtMs).toBe(1250);
  });

  test('jitter spreads the attempts over the second half of the pause', () => {
    const earliest = new CircuitBreaker(() => 0);
    earliest.trip(0);
    expect(earliest.retryAtMs).toBe(125);
  });
});
