import { parseVerifierKey, TransparencyLogError, type VerifierKey } from '@openkdh/transparency-log';

/** A witness that is asked to cosign the log's checkpoints, and counted by its key. */
export interface WitnessAddress {
  readonly key: VerifierKey;
  /** The verifier key as text: by it the database knows the witness. */
  readonly keyText: string;
  /** Where C2SP tlog-witness has add-checkpoint. */
  readonly url: URL;
}

export const witnessListForm =
  'expected URL and verifier key of a cosignature key, for example "https://auditor.example:7780 auditor.example+1a2b3c4d+BA…"; ' +
  'several separated by commas or line feeds, each with a key of its own';

/** The witnesses that `KDH_WITNESSES` lists; undefined where it has another form than `witnessListForm` says. */
export function parseWitnessList(text: string): WitnessAddress[] | undefined {
  const items = text
    .split(/[,\n]/)
    .map((item) => item.trim())
    .filter((item) => item !== '');
  const witnesses = items.map(parseWitness);
  if (!witnesses.every((witness) => witness !== undefined)) return undefined;
  // A cosignature does not name its witness: one key under two names would count twice.
  const keys = new Set(witnesses.map(({ key }) => Buffer.from(key.publicKey).toString('hex')));
  return keys.size === witnesses.length ? witnesses : undefined;
}

function parseWitness(item: string): WitnessAddress | undefined {
  const [prefix, keyText, ...others] = item.split(/\s+/);
  if (prefix === undefined || keyText === undefined || others.length > 0) return undefined;
  if (!/^https?:\/\//.test(prefix) || !URL.canParse(prefix)) return undefined;
  const key = readKey(keyText);
  return key && { key, keyText, url: new URL(`${prefix.replace(/\/$/, '')}/add-checkpoint`) };
}

function readKey(text: string): VerifierKey | undefined {
  try {
    const key = parseVerifierKey(text);
    return key.type === 'cosignature/v1' ? key : undefined;
  } catch (error) {
    if (error instanceof TransparencyLogError) return undefined;
    throw error;
  }
}
