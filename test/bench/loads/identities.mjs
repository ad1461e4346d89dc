// Key pairs of simulated terminals, thousands of them in seconds: FOR BENCHMARKS ONLY. Making an RSA key takes 150 ms,
// nearly all of it the search for two primes; here each key takes another two of a small pool. Every modulus is another
// one, as enrolment demands, but whoever has two of them finds their common prime.
import { createPrivateKey, generateKeyPairSync, generatePrimeSync } from 'node:crypto';
import { changed } from '../../../apps/terminal-sim/dist/record.js';
import { Store } from '../../../apps/terminal-sim/dist/store.js';

const publicExponent = 65537n;
const pkcs8 = { type: 'pkcs8', format: 'der' };
const p256 = {
  namedCurve: 'P-256',
  privateKeyEncoding: pkcs8,
  publicKeyEncoding: { type: 'spki', format: 'der' },
};

/** Adds terminals that are not there yet to the journal of terminal-sim in `folder`: key pairs, still to be enrolled. */
export async function writeIdentities(folder, serials) {
  const store = await Store.open(folder, changed);
  const wanting = serials.filter((serial) => !store.records.has(serial));
  const pairs = primePairs(wanting.length);
  await Promise.all(
    wanting.map((serial) => {
      const { value: pair } = pairs.next();
      const identity = { tls: ecKey(), encryption: rsaKey(...pair), signing: ecKey() };
      return store.commit(serial, { identity, epoch: 0, slots: {}, results: [] });
    }),
  );
  await store.close();
}

/** `count` different pairs out of as few primes as give them. */
function* primePairs(count) {
  const primes = [];
  while ((primes.length * (primes.length - 1)) / 2 < count) primes.push(rsaPrime());
  for (let q = 1; q < primes.length; q += 1) for (let p = 0; p < q; p += 1) yield [primes[p], primes[q]];
}

/** 1024 bits of which the two highest are set, so that the product of two has 2048 bits; usable with the exponent. */
function rsaPrime() {
  for (;;) {
    const prime = generatePrimeSync(1024, { bigint: true });
    if (prime >> 1022n === 3n && (prime - 1n) % publicExponent !== 0n) return prime;
  }
}

function rsaKey(p, q) {
  const d = inverse(publicExponent, (p - 1n) * (q - 1n));
  const jwk = {
    kty: 'RSA',
    n: base64url(p * q),
    e: base64url(publicExponent),
    d: base64url(d),
    p: base64url(p),
    q: base64url(q),
    dp: base64url(d % (p - 1n)),
    dq: base64url(d % (q - 1n)),
    qi: base64url(inverse(q % p, p)),
  };
  return createPrivateKey({ key: jwk, format: 'jwk' }).export(pkcs8);
}

/** The x with value × x = 1 modulo `modulus`. */
function inverse(value, modulus) {
  let [a, b, x, y] = [value, modulus, 1n, 0n];
  while (b !== 0n) {
    const quotient = a / b;
    [a, b] = [b, a - quotient * b];
    [x, y] = [y, x - quotient * y];
  }
  return x < 0n ? x + modulus : x;
}

function base64url(value) {
  const hex = value.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url');
}

function ecKey() {
  return generateKeyPairSync('ec', p256).privateKey;
}
