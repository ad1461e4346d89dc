/**
 * Two contestants that were proved equal, timed in turns in one run and one thread; what counts is their ratio.
 * By processor time, so that other work on the machine disturbs less.
 */

const roundSeconds = 0.25; // of processor time for one contestant in one round
const rounds = 7;

/** Times and prints: medians of the rates, median of the ratios. Below the floor the process exits with 1. */
export function race({ name, floor, ours, other }) {
  callsPerSecond(ours); // for the compiler
  callsPerSecond(other);
  const pairs = Array.from({ length: rounds }, () => [callsPerSecond(ours), callsPerSecond(other)]);
  const ratio = median(pairs.map(([mine, theirs]) => mine / theirs));
  const rate = (n) => `${(median(pairs.map((pair) => pair[n])) / 1000).toFixed(0)} k/s`.padStart(9);
  console.log(`${name.padEnd(52)} ${rate(0)} ${rate(1)} ${ratio.toFixed(1).padStart(6)} ×, floor ${floor} ×`);
  if (ratio < floor) process.exitCode = 1;
}

function callsPerSecond(call) {
  const seconds = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  };
  const start = seconds();
  let calls = 0;
  let elapsed = 0;
  while (elapsed < roundSeconds) {
    for (let i = 0; i < 100; i++) call();
    calls += 100;
    elapsed = seconds() - start;
  }
  return calls / elapsed;
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
