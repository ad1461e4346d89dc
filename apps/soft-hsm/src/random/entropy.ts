import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { SoftHsmError } from '../errors.ts';
import { adaptiveProportionTest, type HealthTest, repetitionCountTest } from './health-tests.ts';
import type { EntropySource } from './random-source.ts';

/** Samples that a source must pass before its first use (SP 800-90B, 4.3), and again after an alarm. */
const startupSamples = 1024;

/**
 * `source` under continuous health tests; each byte is a sample with 8 bits of min-entropy assumed. One alarm in some
 * million draws is false, so an alarm has the source pass its start-up test once more; a source that does not is given
 * up: every further draw throws SOFT_HSM_ENTROPY.
 */
export function underHealthTests(source: EntropySource): EntropySource {
  let tests: readonly HealthTest[] = [];
  const accepts = (bytes: Uint8Array) =>
    bytes.every((byte) => tests.map((test) => test.accept(byte)).every((accepted) => accepted));
  const passesStartup = () => {
    tests = [repetitionCountTest(8), adaptiveProportionTest(8)];
    return accepts(source(startupSamples));
  };

  let healthy = passesStartup() || passesStartup();
  return (lengthBytes) => {
    while (healthy) {
      const bytes = source(lengthBytes);
      if (accepts(bytes)) return bytes;
      bytes.fill(0);
      healthy = passesStartup();
    }
    throw new SoftHsmError('SOFT_HSM_ENTROPY', 'the noise source fails its health tests');
  };
}

/** A raw noise source of this machine, or `undefined` if there is none that this process may read. */
export function rawNoise(path = '/dev/hwrng'): EntropySource | undefined {
  const read: EntropySource = (lengthBytes) => {
    const bytes = Buffer.alloc(lengthBytes);
    const device = openSync(path, 'r');
    try {
      for (let filled = 0; filled < lengthBytes; ) {
        filled += readSync(device, bytes, filled, lengthBytes - filled, null);
      }
    } finally {
      closeSync(device);
    }
    return bytes;
  };
  try {
    read(1);
    return read;
  } catch {
    return undefined;
  }
}

/**
 * Seeds of the DRBG: bytes of the operating system's generator and, where there is one, of a raw noise source after
 * them. One source that fails is reported and left out; when none is left, there are no more random numbers.
 */
export function openEntropy(
  onFailure: (source: 'operating system' | 'raw noise') => void,
  sources = { 'operating system': randomBytes as EntropySource, 'raw noise': rawNoise() },
): EntropySource {
  const healthy = new Map<keyof typeof sources, EntropySource>();
  const using = <T>(name: keyof typeof sources, action: () => T): T | undefined => {
    try {
      return action();
    } catch {
      healthy.delete(name);
      onFailure(name);
      return undefined;
    }
  };
  for (const name of Object.keys(sources) as (keyof typeof sources)[]) {
    const source = sources[name];
    if (source) using(name, () => healthy.set(name, underHealthTests(source)));
  }

  return (lengthBytes) => {
    const parts = [...healthy].flatMap(([name, draw]) => using(name, () => draw(lengthBytes)) ?? []);
    if (parts.length === 0) throw new SoftHsmError('SOFT_HSM_ENTROPY', 'no noise source is left');
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  };
}
