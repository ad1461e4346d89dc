/**
 * Health tests of a noise source, NIST SP 800-90B, 4.4, for false alarms of 2^-20 per test. The cut-offs follow from
 * the min-entropy that is assumed of each sample. Without a raw source they run on the output of the operating
 * system's generator, and prove no more than that it is not stuck.
 */
export interface HealthTest {
  /** Whether the samples so far, with this one, are still those of a healthy source. */
  accept(sample: number): boolean;
}

/** Bits of min-entropy assumed per sample: cut-off of the adaptive proportion test over 512 samples, recomputed. */
const proportionCutoffs = { 8: 13, 4: 62, 2: 177, 1: 311 } as const;
export type MinEntropyBits = keyof typeof proportionCutoffs;
const windowSamples = 512;

/** 4.4.1: fails when the same value comes 1 + ⌈20 / H⌉ times in a row. */
export function repetitionCountTest(minEntropyBits: MinEntropyBits): HealthTest {
  const cutoff = 1 + Math.ceil(20 / minEntropyBits);
  let last: number | undefined;
  let count = 0;
  return {
    accept(sample) {
      count = sample === last ? count + 1 : 1;
      last = sample;
      return count < cutoff;
    },
  };
}

/** 4.4.2: fails when the first value of a window of 512 comes too often in it, itself included. */
export function adaptiveProportionTest(minEntropyBits: MinEntropyBits): HealthTest {
  const cutoff = proportionCutoffs[minEntropyBits];
  let first = 0;
  let count = 0;
  let seen = 0;
  return {
    accept(sample) {
      if (seen === 0) [first, count] = [sample, 0];
      if (sample === first) count += 1;
      seen = (seen + 1) % windowSamples;
      return count < cutoff;
    },
  };
}
