import { getHeapSpaceStatistics } from 'node:v8';

/** Elements of 8 bytes: an array of them is allocated in the young generation, and small enough to fill its pages. */
const elements = 512;

/** Outside of the function, so that no compiler finds the arrays unused. */
const scratch: { array: readonly number[] } = { array: [] };

/**
 * Overwrites what V8 left behind. Arrays of up to 64 bytes, so all symmetric keys, lie in V8's heap; a garbage collection
 * moves the ones in use, and the place where they were keeps their bytes until it is allocated again. This allocates
 * zeros, several times as much as both halves of the young generation hold. What lies in the old generation was moved
 * there only if it lived long, and is wiped in place with its owner.
 */
export function overwriteYoungGeneration(): void {
  const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
  const rounds = Math.ceil((4 * (young?.space_size ?? 0)) / (8 * elements));
  for (let n = 0; n < rounds; n += 1) scratch.array = new Array<number>(elements).fill(0);
  scratch.array = [];
}
