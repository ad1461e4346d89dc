/** AlgorithmIdentifier ::= SEQUENCE { algorithm OBJECT IDENTIFIER, parameters ANY OPTIONAL }. RFC 5280, 4.1.1.2. */
import { type Der, DerReader, oidOf, tags } from './der.ts';
import { Tr34Error } from './errors.ts';

/** The algorithm, whatever its parameters. */
export function algorithmOf({ content }: Der): string {
  return oidOf(new DerReader(content, 'AlgorithmIdentifier').any('algorithm'));
}

/** Requires this algorithm and no parameters, or NULL. @throws TR34_ALGORITHM_UNSUPPORTED */
export function requireAlgorithm({ content }: Der, expected: string): void {
  const reader = new DerReader(content, 'AlgorithmIdentifier');
  const algorithm = oidOf(reader.any('algorithm'));
  const parameters = reader.optional(tags.null, 'parameters');
  reader.end();
  if (algorithm !== expected || (parameters && parameters.content.length > 0)) {
    throw new Tr34Error('TR34_ALGORITHM_UNSUPPORTED', `expected algorithm ${expected}, got ${algorithm}`);
  }
}
