interface Waiting<Item, Result> {
  item: Item;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
}

/**
 * Group commit: callers that arrive while a flush is under way share the next one. No timer: the next flush starts as
 * soon as the previous one returns, so a lone caller waits for nothing and a thousand share one transaction.
 * A full group does not wait for the end of the turn, which is far away while thousands of sockets have something to read.
 * A flush that fails is repeated item by item, so that one bad row cannot fail its neighbours.
 */
export class GroupCommit<Item, Result> {
  private waiting: Waiting<Item, Result>[] = [];
  private flushing = false;
  /** The flush that the end of this turn of the event loop will begin: the rest of the turn may bring more callers. */
  private next: NodeJS.Immediate | undefined;

  constructor(
    /** Writes all items in one transaction, or reads for all of them, and returns a result for each, in order. */
    private readonly flush: (items: Item[]) => Promise<Result[]>,
    private readonly maxItems = 200,
  ) {}

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, resolve, reject });
      if (this.flushing) return;
      if (this.waiting.length >= this.maxItems) void this.run();
      else this.next ??= setImmediate(() => void this.run());
    });
  }

  private async run(): Promise<void> {
    clearImmediate(this.next);
    this.next = undefined;
    this.flushing = true;
    while (this.waiting.length > 0) {
      const group = this.waiting.splice(0, this.maxItems);
      await this.settle(group);
    }
    this.flushing = false;
  }

  private async settle(group: Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.flush(group.map((waiting) => waiting.item));
      for (const [index, waiting] of group.entries()) waiting.resolve(results[index] as Result);
    } catch (error) {
      if (group.length === 1) group[0]!.reject(error);
      else for (const waiting of group) await this.settle([waiting]);
    }
  }
}
