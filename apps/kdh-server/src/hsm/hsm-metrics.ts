import { type Hsm, HsmError, type HsmLogEntry } from '@openkdh/hsm-client';
import { Counter, Histogram } from 'prom-client';
import { registry } from '../metrics/registry.ts';

const seconds = new Histogram({
  name: 'kdh_hsm_operation_seconds',
  help: 'Seconds that operations of the HSM took, waiting for a free connection included',
  labelNames: ['operation'],
  buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2, 5],
  registers: [registry],
});

const errors = new Counter({
  name: 'kdh_hsm_errors_total',
  help: 'Operations of the HSM that failed, by code of HsmError',
  labelNames: ['operation', 'code'],
  registers: [registry],
});

const circuitOpened = new Counter({
  name: 'kdh_hsm_circuit_opened_total',
  help: 'Times that the adapter gave an HSM up for a while',
  registers: [registry],
});

export function countCircuitOpened({ event }: HsmLogEntry): void {
  if (event === 'hsm.circuit-open') circuitOpened.inc();
}

/** The same HSM, each of whose operations is timed and, when it fails, counted. */
export function measured(hsm: Hsm): Hsm {
  return new Proxy(hsm, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function' || typeof name !== 'string') return value;
      return (...parameters: unknown[]) => measure(name, () => value.apply(target, parameters) as unknown);
    },
  });
}

async function measure(operation: string, work: () => unknown): Promise<unknown> {
  const end = seconds.startTimer({ operation });
  try {
    return await work();
  } catch (error) {
    errors.inc({ operation, code: error instanceof HsmError ? error.code : 'INTERNAL' });
    throw error;
  } finally {
    end();
  }
}
