import { once } from 'node:events';
import { connect } from 'node:net';
import { formatMessage, type ManagementMessage, MessageReader, type Progress } from '@openkdh/hsm-management';
import { CliError, HsmRefusal } from '../errors.ts';

/** What an HSM says of itself; what it has nothing to say of is left out. */
export interface HsmStatus {
  readonly state: string;
  readonly hsmId?: string;
  readonly auditLog?: { readonly seq: number; readonly checkpointKey: string };
  readonly grants?: readonly HsmGrant[];
  readonly ceremony: Progress;
}

/** An activity that two officers have allowed; its times as ISO 8601, UTC. */
export interface HsmGrant {
  readonly id: string;
  readonly activity: string;
  readonly client: string;
  readonly lmkId: string;
  /** How many times it may still be done. */
  readonly remaining: number;
  readonly notBefore: string;
  readonly expiry: string;
}

/**
 * Gives one command at a management socket. `payload`: raw bytes that go with it, left as they are. Throws `HsmRefusal`
 * if the HSM does not carry it out, CLI_HSM if there is none.
 */
export async function callHsm(
  socketPath: string,
  command: string,
  parameters: Readonly<Record<string, unknown>> = {},
  payload: Uint8Array = new Uint8Array(),
): Promise<ManagementMessage> {
  const request = formatMessage({ ...parameters, command }, payload);
  const { line, payload: answered } = await exchange(socketPath, request).finally(() => request.fill(0));
  const { ok, ...answer } = line;
  if (ok === true) return { line: answer, payload: answered };
  throw new HsmRefusal(String(answer['code']), String(answer['message']));
}

/** How the HSM is, for the commands that need to know it first. */
export async function statusOf(socketPath: string): Promise<HsmStatus> {
  return (await callHsm(socketPath, 'status')).line as unknown as HsmStatus;
}

async function exchange(socketPath: string, request: Uint8Array): Promise<ManagementMessage> {
  const reader = new MessageReader();
  const socket = await connectTo(socketPath);
  try {
    socket.write(request);
    for await (const chunk of socket) {
      const [answer] = reader.push(chunk);
      if (answer !== undefined) return answer;
    }
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
  } finally {
    socket.destroy();
  }
  throw new CliError('CLI_HSM', 'socket: the HSM has hung up before it answered');
}

async function connectTo(path: string) {
  try {
    const socket = connect({ path });
    await once(socket, 'connect');
    return socket;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CliError('CLI_HSM', `socket: no HSM answers there: ${code}`);
  }
}
