/**
 * How long records must be kept: while a key that they tell of exists, and for some years more (PCI PIN 26: two, as told by
 * others than the standard itself). A BDK and the initial keys that were derived from it are one family: whoever has the
 * BDK has them all, and whoever asks about one needs the records of the other.
 */
export interface KeyFamily {
  /** When the KDH's own block of the BDK was erased; null while it is there. */
  destroyedAt: Date | null;
  /** How many terminals may hold a key of it. */
  holders: number;
  /** When the last terminal that held one lost it, by a later load or by revocation; null if there was none. */
  lastReleasedAt: Date | null;
}

const DAY_MILLISECONDS = 24 * 3600 * 1000;

/** When the last key of a family was gone; null while there is one. */
export function goneAt({ destroyedAt, holders, lastReleasedAt }: KeyFamily): Date | null {
  if (destroyedAt === null || holders > 0) return null;
  return lastReleasedAt !== null && lastReleasedAt > destroyedAt ? lastReleasedAt : destroyedAt;
}

/**
 * Until when a record must be kept that belongs to these families, `days` after the last key of the last of them is gone; null as
 * long as nobody can tell, since a key exists. A record that belongs to no key is not held by this rule: the epoch.
 */
export function keepUntil(families: readonly KeyFamily[], days: number): Date | null {
  let until = 0;
  for (const family of families) {
    const gone = goneAt(family);
    if (gone === null) return null;
    until = Math.max(until, gone.getTime() + days * DAY_MILLISECONDS);
  }
  return new Date(until);
}

/** Whether such a record may go. */
export function mayGo(until: Date | null, now: Date): boolean {
  return until !== null && until <= now;
}
