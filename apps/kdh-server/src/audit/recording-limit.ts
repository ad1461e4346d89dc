/** What may be recorded in a minute of what anyone can provoke; more is counted, and not recorded one by one. */
const RECORDED_PER_MINUTE = 600;

/** Keeps a flood of refusals from filling the disk (docs/decisions.md, 9). */
export class RecordingLimit {
  private windowStart = 0;
  private recorded = 0;
  private suppressed = 0;

  /** `onSuppressed` hears, when the next minute begins, how many were not recorded in the one before. */
  constructor(
    private readonly onSuppressed: (count: number) => void,
    private readonly now: () => number = Date.now,
  ) {}

  /** Whether one more may be recorded. */
  take(): boolean {
    if (this.now() - this.windowStart >= 60_000) {
      if (this.suppressed > 0) this.onSuppressed(this.suppressed);
      this.windowStart = this.now();
      this.recorded = 0;
      this.suppressed = 0;
    }
    if (this.recorded >= RECORDED_PER_MINUTE) {
      this.suppressed += 1;
      return false;
    }
    this.recorded += 1;
    return true;
  }

  /** One that is never recorded. */
  suppress(): void {
    this.suppressed += 1;
  }
}
