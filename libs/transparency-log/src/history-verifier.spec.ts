import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { numberedEntries, SampleLog, text, utf8, vectors } from '../test/sample-log.ts';
import {
  type Checkpoint,
  DenseCounters,
  type EntryRule,
  type HistoryOptions,
  HistoryVerifier,
  hashesOfTile,
  leafHash,
  parseCanonicalJson,
  parseCheckpoint,
  parseEntryBundle,
  parseNote,
  parseTilePath,
  TransparencyLogError,
} from './index.ts';

const size = 700;
const log = new SampleLog('example.com/sample-log', numberedEntries(size));
const hashes = log.entries.map(leafHash);

/** What the verifier says of a history that is read in bundles of 256: "code: message", or "whole". */
function verdict(
  entries: readonly Uint8Array[],
  leafHashes: readonly Uint8Array[],
  checkpoint: Checkpoint = log.checkpoint(),
  options: HistoryOptions = {},
): string {
  try {
    const history = new HistoryVerifier(checkpoint, options);
    for (let first = 0; first < Math.max(entries.length, leafHashes.length); first += 256) {
      history.add(entries.slice(first, first + 256), leafHashes.slice(first, first + 256));
    }
    history.end();
    return 'whole';
  } catch (error) {
    if (error instanceof TransparencyLogError) return `${error.code}: ${error.message}`;
    throw error;
  }
}

const other = utf8('another entry');

describe('a whole history', () => {
  test('of any size, with any previous checkpoint', () => {
    fc.assert(
      fc.property(fc.nat(size), fc.nat(size), (a, b) => {
        const [before, after] = [Math.min(a, b), Math.max(a, b)];
        const grown = new SampleLog(log.origin, log.entries.slice(0, after));
        const previous = new SampleLog(log.origin, log.entries.slice(0, before)).checkpoint();
        const said = verdict(grown.entries, hashes.slice(0, after), grown.checkpoint(), { previous });
        expect(said).toBe('whole');
      }),
      { numRuns: 25 },
    );
  });

  test('of test/vectors/transparency-log.json, from its tiles', () => {
    const [previous, checkpoint] = vectors.history.map((head) =>
      parseCheckpoint(parseNote(utf8(head.checkpoint)).text),
    ) as [Checkpoint, Checkpoint];
    const bytes = (path: string) => Buffer.from(vectors.tiles[path]!, 'hex');
    const { width } = parseTilePath('tile/0/000.p/5');
    const entries = parseEntryBundle(bytes('tile/entries/000.p/5'));
    expect(verdict(entries, hashesOfTile(bytes('tile/0/000.p/5'), width), checkpoint, { previous })).toBe(
      'whole',
    );
    expect(entries.map(text)).toEqual(vectors.entries);
  });
});

describe('what an insider did, by name', () => {
  test('edited an entry', () => {
    for (const at of [0, 255, 256, 511, size - 1]) {
      expect(verdict(log.entries.with(at, other), hashes)).toBe(
        `TLOG_ENTRY_ALTERED: the entry at ${at} is not the one that the log holds there`,
      );
    }
  });

  test('put two entries in each other’s place', () => {
    const swapped = log.entries.with(3, log.entries[400]!).with(400, log.entries[3]!);
    expect(verdict(swapped, hashes)).toBe(
      'TLOG_ENTRY_ALTERED: the entry at 3 is not the one that the log holds there',
    );
  });

  test('deleted entries', () => {
    for (const at of [0, 255, 256, 300]) {
      expect(verdict(log.entries.toSpliced(at, 1), hashes)).toBe(
        `TLOG_ENTRY_MISSING: 1 entries are missing, the first at ${at}`,
      );
    }
    expect(verdict(log.entries.toSpliced(10, 300), hashes)).toBe(
      'TLOG_ENTRY_MISSING: 300 entries are missing, the first at 10',
    );
  });

  test('deleted an entry and left the other bundles as they were', () => {
    const history = new HistoryVerifier(log.checkpoint());
    history.add(log.entries.slice(0, 255), hashes.slice(0, 256));
    history.add(log.entries.slice(256, 512), hashes.slice(256, 512));
    history.add(log.entries.slice(512), hashes.slice(512));
    expect(() => history.end()).toThrow('1 entries are missing, the first at 255');
  });

  test('deleted an entry and its hash: a previous checkpoint tells it from a cut tail', () => {
    const [left, leftHashes] = [log.entries.toSpliced(10, 1), hashes.toSpliced(10, 1)];
    const said = (kept: number) => {
      const previous = new SampleLog(log.origin, log.entries.slice(0, kept)).checkpoint();
      return verdict(left, leftHashes, log.checkpoint(), { previous });
    };
    expect(said(10)).toBe('TLOG_TAIL_CUT: expected 700 entries, the history ends after 699');
    expect(said(11)).toBe('TLOG_ENTRY_MISSING: 1 entries are missing, one or more before 11');
    expect(said(699)).toBe('TLOG_ENTRY_MISSING: 1 entries are missing, one or more before 699');
    expect(said(700)).toBe('TLOG_TAIL_CUT: expected 700 entries, the history ends after 699');
  });

  test('inserted entries', () => {
    for (const at of [0, 255, 256]) {
      expect(verdict(log.entries.toSpliced(at, 0, other), hashes)).toBe(
        `TLOG_ENTRY_INSERTED: 1 entries too many, the first at ${at}`,
      );
    }
    expect(verdict([...log.entries, other, other], hashes)).toBe(
      'TLOG_ENTRY_INSERTED: 2 entries too many, the first at 700',
    );
  });

  test('cut the tail, with the hashes or without', () => {
    for (const left of [0, 1, 256, 300, size - 1]) {
      const said = `TLOG_TAIL_CUT: expected 700 entries, the history ends after ${left}`;
      expect(verdict(log.entries.slice(0, left), hashes)).toBe(said);
      expect(verdict(log.entries.slice(0, left), hashes.slice(0, left))).toBe(said);
    }
  });

  test('wrote the hashes anew with the entries', () => {
    const said = 'TLOG_ROOT_MISMATCH: the history has another root than the checkpoint of size 700';
    for (const at of [0, 300, size - 1]) {
      expect(verdict(log.entries.with(at, other), hashes.with(at, leafHash(other)))).toBe(said);
    }
    expect(verdict([...log.entries, other], [...hashes, leafHash(other)])).toBe(
      'TLOG_ENTRY_INSERTED: expected 700 entries, the history goes on after them',
    );
  });

  test('changed only a hash', () => {
    for (const at of [0, 300, size - 1]) {
      expect(verdict(log.entries, hashes.with(at, leafHash(other)))).toBe(
        `TLOG_ROOT_MISMATCH: the entries are whole, but leaf hash ${at} is not of its entry`,
      );
    }
    expect(verdict(log.entries, hashes.slice(0, -1))).toMatch(/^TLOG_ROOT_MISMATCH: the entries are whole/);
    expect(verdict(log.entries, [...hashes, leafHash(other)])).toMatch(
      /^TLOG_ROOT_MISMATCH: the entries are whole/,
    );
  });

  test('built the log from scratch and signed it anew: only who kept a checkpoint sees it', () => {
    const anew = new SampleLog(log.origin, log.entries.with(100, other));
    const anewHashes = anew.entries.map(leafHash);
    const keptAt = (kept: number) => new SampleLog(log.origin, log.entries.slice(0, kept)).checkpoint();
    expect(verdict(anew.entries, anewHashes, anew.checkpoint())).toBe('whole');
    expect(verdict(anew.entries, anewHashes, anew.checkpoint(), { previous: keptAt(100) })).toBe('whole');
    expect(verdict(anew.entries, anewHashes, anew.checkpoint(), { previous: keptAt(101) })).toBe(
      'TLOG_FORK: the history has other 101 first entries than the previous checkpoint',
    );
    expect(verdict(anew.entries, anewHashes, anew.checkpoint(), { previous: keptAt(size) })).toBe(
      'TLOG_FORK: two checkpoints of 700 entries with different roots',
    );
  });

  test('restored an old backup, or brought another log', () => {
    const old = new SampleLog(log.origin, log.entries.slice(0, 500));
    const previous = log.checkpoint();
    expect(verdict(old.entries, hashes.slice(0, 500), old.checkpoint(), { previous })).toBe(
      'TLOG_TAIL_CUT: expected 700 entries, the history ends after 500',
    );
    expect(
      verdict(log.entries, hashes, log.checkpoint(), { previous: { ...previous, origin: 'b' } }),
    ).toMatch(/^TLOG_WRONG_ORIGIN/);
  });

  test('claimed a root for the log without entries', () => {
    const claimed = { origin: log.origin, size: 0n, root: hashes[0]! };
    expect(verdict([], [], claimed)).toMatch(/^TLOG_ROOT_MISMATCH/);
    expect(verdict(log.entries, hashes, log.checkpoint(), { previous: claimed })).toMatch(/^TLOG_FORK/);
  });

  test('one change anywhere is never whole', () => {
    const change = fc.record({
      at: fc.nat(size - 1),
      byte: fc.nat(),
      bit: fc.nat(7),
      inHashes: fc.boolean(),
    });
    fc.assert(
      fc.property(change, ({ at, byte, bit, inHashes }) => {
        const flip = (bytes: Uint8Array) => {
          const changed = Uint8Array.from(bytes);
          changed[byte % bytes.length]! ^= 1 << bit;
          return changed;
        };
        const said = inHashes
          ? verdict(log.entries, hashes.with(at, flip(hashes[at]!)))
          : verdict(log.entries.with(at, flip(log.entries[at]!)), hashes);
        expect(said).toMatch(inHashes ? /^TLOG_ROOT_MISMATCH/ : /^TLOG_ENTRY_ALTERED/);
      }),
      { numRuns: 40 },
    );
  });

  test('a leaf hash of another length', () => {
    for (const length of [0, 31, 33]) {
      expect(verdict(log.entries, hashes.with(300, new Uint8Array(length)))).toMatch(/^TLOG_MALFORMED/);
    }
  });
});

/** Of the events in test/vectors/transparency-log.json: what is confirmed was approved by two before. */
function approvalRule(): EntryRule {
  const approved = new Set<unknown>();
  return {
    entry(entry, index) {
      const { type, attempt, approvers } = parseCanonicalJson(entry) as Record<string, unknown>;
      if (type === 'LOAD_APPROVED' && (approvers as unknown[]).length >= 2) approved.add(attempt);
      if (type === 'CONFIRMED' && !approved.has(attempt)) {
        throw new TransparencyLogError('TLOG_RULE_BROKEN', `entry ${index}: confirmed without two approvals`);
      }
    },
    end() {
      if (approved.size === 0)
        throw new TransparencyLogError('TLOG_RULE_BROKEN', 'nothing was ever approved');
    },
  };
}

function counterRule(): EntryRule {
  const operations = new DenseCounters('HSM operations', 0n);
  return {
    entry(entry) {
      const { hsmOperations } = parseCanonicalJson(entry) as Record<string, unknown>;
      if (typeof hsmOperations === 'string') operations.next('hsm-1', BigInt(hsmOperations));
    },
    end() {},
  };
}

describe('rules', () => {
  const events = vectors.entries.map(utf8);

  /** A verdict over a log that holds exactly these events: its integrity is beyond doubt. */
  function ofEvents(entries: readonly Uint8Array[], rules: readonly EntryRule[]): string {
    return verdict(entries, entries.map(leafHash), new SampleLog('a', entries).checkpoint(), { rules });
  }

  test('hold', () => {
    expect(ofEvents(events, [approvalRule(), counterRule()])).toBe('whole');
  });

  test('a rule broken, in an entry and at the end', () => {
    expect(ofEvents(events.toSpliced(1, 1), [approvalRule()])).toBe(
      'TLOG_RULE_BROKEN: entry 3: confirmed without two approvals',
    );
    expect(ofEvents(events.slice(0, 1), [approvalRule()])).toBe(
      'TLOG_RULE_BROKEN: nothing was ever approved',
    );
  });

  test('a gap in a counter', () => {
    expect(ofEvents(events.toSpliced(0, 1), [counterRule()])).toBe(
      'TLOG_COUNTER_GAP: HSM operations of hsm-1: expected 0, got 1',
    );
  });

  test('an entry that is not canonical', () => {
    expect(ofEvents([utf8('{"a": 1}')], [counterRule()])).toMatch(/^TLOG_NOT_CANONICAL/);
  });

  test('the first one broken is the one reported', () => {
    const said = ofEvents(events.toSpliced(0, 2), [approvalRule(), counterRule()]);
    expect(said).toMatch(/^TLOG_COUNTER_GAP/);
  });

  test('what is wrong with the history itself comes first, and the rules see nothing after it', () => {
    const seen: bigint[] = [];
    const rules = [{ entry: (_: Uint8Array, index: bigint) => seen.push(index), end() {} }, approvalRule()];
    const checkpoint = new SampleLog('a', events).checkpoint();
    const said = verdict(events.with(1, utf8('not even JSON')), events.map(leafHash), checkpoint, { rules });
    expect(said).toMatch(/^TLOG_ENTRY_ALTERED: the entry at 1 /);
    expect(seen).toEqual([0n]);
  });

  test('a fault of the rule itself is no verdict', () => {
    const faulty: EntryRule = {
      entry() {
        throw new RangeError('a bug');
      },
      end() {},
    };
    expect(() => ofEvents(events, [faulty])).toThrow(RangeError);
  });
});
