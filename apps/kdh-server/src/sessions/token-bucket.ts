/** How often something may happen: `perSecond` in the long run, `burst` at once. */
export interface Rate {
  perSecond: number;
  burst: number;
}

/** A bucket that holds `burst` tokens and gains `perSecond`. Times are milliseconds of a clock that only goes forward. */
export class TokenBucket {
  private readonly rate: Rate;
  private tokens: number;
  private filledAt: number;

  constructor(rate: Rate, now: number) {
    this.rate = rate;
    this.tokens = rate.burst;
    this.filledAt = now;
  }

  /** Takes a token if there is one. */
  take(now: number): boolean {
    this.fill(now);
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }

  isFull(now: number): boolean {
    this.fill(now);
    return this.tokens >= this.rate.burst;
  }

  private fill(now: number): void {
    const gained = ((now - this.filledAt) / 1_000) * this.rate.perSecond;
    this.tokens = Math.min(this.rate.burst, this.tokens + gained);
    this.filledAt = now;
  }
}

/** A bucket for each key. A full one says no more than one that was never made, and is forgotten. */
export class TokenBuckets {
  private readonly rate: Rate;
  private readonly buckets = new Map<string, TokenBucket>();
  private tidiedAt = 0;

  constructor(rate: Rate) {
    this.rate = rate;
  }

  take(key: string, now: number): boolean {
    this.tidy(now);
    let bucket = this.buckets.get(key);
    if (!bucket) {
      bucket = new TokenBucket(this.rate, now);
      this.buckets.set(key, bucket);
    }
    return bucket.take(now);
  }

  /** How many are not full, and of late ones a few that are. */
  get size(): number {
    return this.buckets.size;
  }

  /** Once in the time that an empty bucket takes to fill, so that the cost is spread over the takes. */
  private tidy(now: number): void {
    if (now - this.tidiedAt < (1_000 * this.rate.burst) / this.rate.perSecond) return;
    this.tidiedAt = now;
    for (const [key, bucket] of this.buckets) if (bucket.isFull(now)) this.buckets.delete(key);
  }
}
