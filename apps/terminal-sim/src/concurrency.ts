/** Does `work` for every item, at most `limit` at a time, in order of the items. The first error stops the rest. */
export async function forEachAtMost<T>(
  limit: number,
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  const worker = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: limit }, worker));
}

/** Returns `work`, of which at most `limit` calls run at a time; the others wait in order. */
export function atMost<A extends unknown[], R>(limit: number, work: (...args: A) => Promise<R>) {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (...args: A): Promise<R> => {
    if (running === limit) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await work(...args);
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
