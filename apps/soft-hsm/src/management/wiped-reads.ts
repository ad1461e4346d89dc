import { Socket } from 'node:net';

const readBytes = 64 * 1024;

/**
 * Takes over a connection that a server has just accepted, and gives what is read on it to `take`, which wipes it. Reads
 * go into one buffer of ours: Node's own hand out a copy of what was read and free the rest as it is, so that a passphrase
 * would stay in the heap for as long as nothing happens to be written over it. Node has this only for sockets that
 * connect (`onread`); an accepted one must be made anew of its handle, which is not public.
 */
export function withWipedReads(accepted: Socket, take: (chunk: Buffer) => void): Socket {
  const owner = accepted as unknown as { _handle: unknown };
  const socket = new Socket({
    handle: owner._handle,
    allowHalfOpen: accepted.allowHalfOpen,
    onread: {
      buffer: Buffer.alloc(readBytes),
      callback(length: number, buffer: Buffer) {
        take(buffer.subarray(0, length));
        return true;
      },
    },
  } as ConstructorParameters<typeof Socket>[0]);
  owner._handle = null;
  return socket.once('close', () => accepted.destroy()); // which its server counts
}
