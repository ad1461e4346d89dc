import { SoftHsmError } from '../errors.ts';

/** Control characters of a terminal. */
const keys = {
  endOfText: 0x03,
  backspace: 0x08,
  lineFeed: 0x0a,
  carriageReturn: 0x0d,
  escape: 0x1b,
  delete: 0x7f,
};
const longest = 1024;

/**
 * Asks for a secret and gives it as bytes, which the caller wipes. At a terminal nothing of it is shown; otherwise it is
 * the next line of standard input. Never an argument: arguments can be read by everybody on the machine.
 */
export async function askSecret(question: string): Promise<Buffer> {
  const { stdin, stderr } = process;
  stderr.write(`${question}: `);
  if (stdin.isTTY) stdin.setRawMode(true);
  const secret = Buffer.alloc(longest);
  let length = 0;
  try {
    for (;;) {
      const chunk = await nextChunk();
      const end = chunk.findIndex((byte) => byte === keys.lineFeed || byte === keys.carriageReturn);
      for (const byte of end === -1 ? chunk : chunk.subarray(0, end)) {
        if (byte === keys.endOfText || byte === keys.escape)
          throw new SoftHsmError('SOFT_HSM_USAGE', 'given up');
        if (byte === keys.backspace || byte === keys.delete) length = Math.max(0, length - 1);
        else if (length < longest) secret[length++] = byte;
      }
      const rest = end === -1 ? undefined : chunk.subarray(end + 1);
      if (rest !== undefined && rest.length > 0) stdin.unshift(Buffer.from(rest));
      chunk.fill(0);
      if (end !== -1) return Buffer.from(secret.subarray(0, length));
    }
  } finally {
    secret.fill(0);
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.pause();
    stderr.write('\n');
  }
}

/** Bytes written as hexadecimal digits, spaces between them left out. Wipes `digits`. */
export function bytesOfHex(digits: Buffer): Buffer {
  const values = [...digits].filter((byte) => byte !== 0x20).map(hexDigit);
  digits.fill(0);
  if (values.length % 2 !== 0 || values.includes(undefined)) {
    throw new SoftHsmError('SOFT_HSM_USAGE', 'an even number of hexadecimal digits expected');
  }
  const bytes = Buffer.alloc(values.length / 2);
  for (let n = 0; n < bytes.length; n += 1) bytes[n] = values[2 * n]! * 16 + values[2 * n + 1]!;
  values.fill(0);
  return bytes;
}

function hexDigit(digit: number): number | undefined {
  if (digit >= 0x30 && digit <= 0x39) return digit - 0x30;
  const letter = digit | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : undefined;
}

function nextChunk(): Promise<Buffer> {
  const { stdin } = process;
  return new Promise((resolve, reject) => {
    const onReadable = () => {
      const chunk = stdin.read() as Buffer | null;
      if (chunk === null) return;
      stop();
      resolve(chunk);
    };
    const onEnd = () => {
      stop();
      reject(new SoftHsmError('SOFT_HSM_USAGE', 'standard input has ended'));
    };
    const stop = () => stdin.off('readable', onReadable).off('end', onEnd);
    stdin.on('readable', onReadable).on('end', onEnd);
  });
}
