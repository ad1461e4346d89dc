/** How far custodians are with what they do together. */
export interface Progress {
  /** Of the HSM. */
  state: string;
  /** What custodians are asked to give their shares for: `unlock`, or the act of an order. */
  asked?: string;
  /** Shares given so far, of `needed`; both 0 where nothing is asked. */
  given: number;
  needed: number;
  /** Shares taken so far. */
  taken: number;
  /** Custodians who still have a share to take, one name for each share. */
  waitingFor: string[];
  /** What a drill has shown: the backup opens, and its LMK is the one that it should be. */
  drill?: DrillResult;
}

export interface DrillResult {
  lmkCheckValue: string;
  operations: number;
}
