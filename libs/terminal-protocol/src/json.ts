import { ProtocolError } from './errors.ts';
import { protocolLimits } from './limits.ts';

/**
 * JSON of a frame, refused before anyone looks at it: longer than 64 KiB, nested deeper than 8, not an object, or with
 * a member named as a way into a prototype.
 * @throws ProtocolError TOO_LARGE or BAD_MESSAGE, fatal
 */
export function parseFrame(text: string): Record<string, unknown> {
  const bytes = Buffer.byteLength(text);
  if (bytes > protocolLimits.maxFrameBytes) {
    throw new ProtocolError(
      'TOO_LARGE',
      `at most ${protocolLimits.maxFrameBytes} bytes expected, ${bytes} came`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw badFrame('the frame is not JSON'); // the parser's own message would quote the frame
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badFrame('the frame is not a JSON object');
  }
  refuseDepthAndPrototypeKeys(value, 1);
  return value as Record<string, unknown>;
}

const prototypeKeys = new Set(['__proto__', 'constructor', 'prototype']);

function refuseDepthAndPrototypeKeys(value: object, depth: number): void {
  if (depth > protocolLimits.maxDepth) throw badFrame(`nested deeper than ${protocolLimits.maxDepth}`);
  for (const key of Object.keys(value)) {
    if (prototypeKeys.has(key)) throw badFrame('a member has the name of a prototype property');
    const member = (value as Record<string, unknown>)[key];
    if (typeof member === 'object' && member !== null) refuseDepthAndPrototypeKeys(member, depth + 1);
  }
}

function badFrame(detail: string): ProtocolError {
  return new ProtocolError('BAD_MESSAGE', detail, { fatal: true });
}
