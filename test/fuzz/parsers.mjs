/**
 * Fuzzes everything that reads what others sent: key blocks, Thales blocks, TR-34 tokens, KSNs, saved registers.
 * `npm run fuzz -- [--inputs 1000000] [--seed N]` after `npx tsc -b`.
 *
 * Inputs are mutations of published vectors that know the structure; an input with an outcome (the codes that all
 * readers gave) not seen before becomes a sample itself, so that mutations go deeper where the code does. Whatever is
 * thrown but the error of the library, and every broken property, is a fault: it is printed with the seed, which
 * repeats the run, and the exit code is 1. Without a seed each run has another.
 */
import { randomInt } from 'node:crypto';
import { inspect, parseArgs } from 'node:util';
import { keyBlocks, thalesBlocks, wrappedHeaders } from './key-blocks.mjs';
import { ksns, registerStates } from './ksns.mjs';
import { SeededRandom } from './random.mjs';
import { receivedTokens, signedTokens } from './tr34-tokens.mjs';

/** How many inputs of a hundred each gets; signing is slow. */
const targets = [
  [keyBlocks, 30],
  [wrappedHeaders, 20],
  [thalesBlocks, 15],
  [receivedTokens, 14],
  [signedTokens, 1],
  [ksns, 15],
  [registerStates, 5],
];
const mostSamples = 5000;

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: String(randomInt(2 ** 32)) },
  },
});
const inputs = Number(values.inputs);
const seed = Number(values.seed);
console.log(`seed ${seed}`);
for (const [target, percent] of targets) await fuzz(target, Math.ceil((inputs * percent) / 100));

async function fuzz({ name, samples, mutate, read }, count) {
  const random = new SeededRandom(seed);
  const corpus = [...samples];
  const outcomes = new Set();
  let slowest = 0;
  for (let n = 0; n < count; n++) {
    const input = n < samples.length ? samples[n] : mutate(random, random.pick(corpus), random.pick(corpus));
    const start = process.cpuUsage();
    let outcome;
    try {
      outcome = await read(input);
    } catch (fault) {
      const shown = inspect(input, { depth: 4, maxArrayLength: null, maxStringLength: null });
      console.error(`${name}: input ${n} of seed ${seed}\n${shown}\n`, fault);
      process.exit(1);
    }
    slowest = Math.max(slowest, process.cpuUsage(start).user / 1000);
    if (outcomes.has(outcome) || n < samples.length) continue;
    outcomes.add(outcome);
    if (corpus.length < mostSamples) corpus.push(input);
  }
  console.log(
    `${name}: ${count} inputs, ${outcomes.size} outcomes, slowest ${slowest.toFixed(0)} ms of CPU, no fault`,
  );
}
