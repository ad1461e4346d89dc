/** Times as people read them, to the second. `time`: ISO 8601. */

export function utcTime(time: string): string {
  return `${new Date(time).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** With how long it is from `now` until then, in minutes and below ten of them in seconds, rounded down. */
export function utcTimeAndWhatIsLeft(time: string, now: Date): string {
  const seconds = Math.max(0, Math.floor((Date.parse(time) - now.getTime()) / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const left = seconds < 600 ? `${seconds} s` : hours === 0 ? `${minutes} min` : `${hours} h ${minutes} min`;
  return `${utcTime(time)}, ${left} left`;
}
