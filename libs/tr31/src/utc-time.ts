const compact = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?Z$/;
const extended = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d\d))?Z$/;

/**
 * Reads one of the four forms of ISO 8601 that X9.143:2021, 6.3.6.13 and 6.3.6.14 allow: compact or extended, with or
 * without hundredths, always UTC. Undefined for another form and for a time that the calendar does not have; a leap
 * second counts as one, since `Date` cannot hold it.
 */
export function readUtcTime(text: string): Date | undefined {
  const match = compact.exec(text) ?? extended.exec(text);
  if (!match) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const time = new Date(Date.UTC(year, month - 1, day, hour, minute, second, 10 * Number(match[7] ?? 0)));
  const exists =
    time.getUTCFullYear() === year &&
    time.getUTCMonth() === month - 1 &&
    time.getUTCDate() === day &&
    time.getUTCHours() === hour &&
    time.getUTCMinutes() === minute &&
    time.getUTCSeconds() === second;
  return exists ? time : undefined;
}
