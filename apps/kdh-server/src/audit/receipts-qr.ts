import encodeQR from 'qr';
import { Problem } from '../http/problem.ts';

/** ISO/IEC 18004, table 7: version 40 in byte mode with the lowest error correction. */
const MOST_BYTES = 2_953;

/**
 * The modules of a QR code with these bytes of text, true for dark, in the quiet zone of 4 modules that has to
 * surround it. The lowest error correction: a printed receipt is clean, and larger modules are read more easily.
 */
export function qrModules(text: Buffer): boolean[][] {
  if (text.length > MOST_BYTES) {
    throw new Problem(
      409,
      'RECEIPT_TOO_LONG',
      `a QR code holds ${MOST_BYTES} bytes, the receipt has ${text.length}; take it as a file`,
    );
  }
  return encodeQR(text.toString(), 'raw', { ecc: 'low', encoding: 'byte', border: 4 });
}

/** The code as an SVG image of 1 unit for each module. */
export function qrSvg(text: Buffer): string {
  const modules = qrModules(text);
  const side = modules.length;
  const dark = modules.flatMap((row, y) =>
    row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : [])),
  );
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${side} ${side}" shape-rendering="crispEdges">` +
    `<rect width="${side}" height="${side}" fill="#fff"/><path d="${dark.join('')}"/></svg>\n`
  );
}
