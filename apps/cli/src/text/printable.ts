/** What was read may hold control characters, which would move a terminal's cursor or worse. */
export function printable(text: string): string {
  return text.replace(/[^\P{C}\n]/gu, '?');
}
