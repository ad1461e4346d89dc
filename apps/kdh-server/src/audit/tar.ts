export interface ArchivedFile {
  /** Relative, ASCII, at most 100 characters. */
  path: string;
  bytes: Uint8Array;
}

const BLOCK = 512;

/** A tar archive (POSIX.1-1988 ustar) of files that nobody owns, of no date: the same files give the same bytes. */
export function tarOf(files: ArchivedFile[]): Buffer {
  const blocks = files.flatMap(({ path, bytes }) => [
    headerOf(path, bytes.length),
    bytes,
    Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK),
  ]);
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}

function headerOf(path: string, size: number): Buffer {
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`;
  header.write(path, 0, 100); // name[100]
  header.write(octal(0o644, 7), 100); // mode[8]
  header.write(octal(0, 7), 108); // uid[8]
  header.write(octal(0, 7), 116); // gid[8]
  header.write(octal(size, 11), 124); // size[12]
  header.write(octal(0, 11), 136); // mtime[12]
  header.write(' '.repeat(8), 148); // chksum[8], spaces while it is summed
  header.write('0', 156); // typeflag[1]: a regular file
  header.write('ustar\x0000', 257); // magic[6] version[2]
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}
