import { connect } from 'node:net';
import { formatMessage, type ManagementMessage, MessageReader } from '@openkdh/hsm-management';
import { SoftHsmError } from '../errors.ts';

/** Gives one command at a management socket and returns the answer, whether it was carried out or not. */
export function callManagement(
  path: string,
  line: Record<string, unknown>,
  payload: Uint8Array,
): Promise<ManagementMessage> {
  return new Promise((resolve, reject) => {
    const reader = new MessageReader();
    const socket = connect(path);
    socket.on('connect', () => {
      const message = formatMessage(line, payload);
      socket.write(message, () => message.fill(0));
    });
    socket.on('data', (chunk) => {
      const [answer] = reader.push(chunk);
      if (answer === undefined) return;
      socket.destroy();
      resolve(answer);
    });
    socket.on('error', (cause) => {
      reject(new SoftHsmError('SOFT_HSM_ADDRESS', `no HSM at ${path}: ${cause.message}`, { cause }));
    });
    socket.on('close', () => reject(new SoftHsmError('SOFT_HSM_ADDRESS', `the HSM at ${path} has hung up`)));
  });
}
