import { type AnswerCode, Refusal } from './answer-codes.ts';
import type { Answer, Command } from './commands/command.ts';
import { commands } from './commands/index.ts';
import { CommandScope } from './commands/scope.ts';
import type { Log } from './log.ts';
import type { HsmState, Machine } from './machine.ts';
import { FieldReader } from './wire/fields.ts';
import type { Host } from './wire/listener.ts';
import { formatAnswer, type HostMessage, maxMessageBytes, splitMessage } from './wire/message.ts';

/** The HSM behind its sockets: one message in, one answer out. */
export class SoftHsm {
  readonly #machine: Machine;
  readonly #log: Log;

  constructor(machine: Machine, log: Log) {
    this.#machine = machine;
    this.#log = log;
  }

  /**
   * Answers one message. Whatever it holds, the result is an answer with an error code, never an exception; only a
   * message too short to be answered gives `undefined`. A command that uses keys is answered when its record is on
   * disk, any other at once.
   */
  answer(bytes: Buffer, host: Host): Buffer | Promise<Buffer> | undefined {
    const message = splitMessage(bytes);
    if (message === undefined) return undefined;
    const fields = new FieldReader(message.body);
    const scope = new CommandScope(this.#machine);
    const command = Object.hasOwn(commands, message.command) ? commands[message.command] : undefined;

    const finish = (answer: Answer): Buffer | Promise<Buffer> => {
      const { trailer } = fields;
      if (command?.audited !== true) return formatAnswer(message, answer.code, answer.data, trailer);
      return this.#record(message, host, scope, answer).then(
        () => formatAnswer(message, answer.code, answer.data, trailer),
        (error) => formatAnswer(message, this.#failAudit(error), nothing, trailer),
      );
    };
    const refuse = (error: unknown) => finish(refused(this.#refusalCode(error, message, host)));

    try {
      const answer = this.#run(command, bytes, fields, scope);
      return answer instanceof Promise ? answer.then(finish, refuse) : finish(answer);
    } catch (error) {
      return refuse(error);
    }
  }

  #run(
    command: Command | undefined,
    bytes: Buffer,
    fields: FieldReader,
    scope: CommandScope,
  ): Answer | Promise<Answer> {
    if (command === undefined) throw new Refusal('68', 'not a command of this HSM');
    if (bytes.length > maxMessageBytes) throw new Refusal('80', `message of ${bytes.length} bytes`);
    if (command.audited) requireOperational(this.#machine.state);
    const run = command.prepare(fields);
    fields.end();
    return run(scope);
  }

  #record(
    message: HostMessage,
    host: Host,
    scope: CommandScope,
    { code, releasedKeys }: Answer,
  ): Promise<void> {
    const { keysIn, keysOut } = scope;
    this.#log('debug', 'command', `${message.command} answered ${code}`, {
      command: message.command,
      code,
      header: printable(message.header),
      host: host.id,
      keysIn,
      keysOut,
    });
    if (this.#machine.state !== 'OPERATIONAL') return Promise.resolve();
    const entry = {
      event: 'command',
      client: host.id,
      command: message.command,
      keysIn,
      keysOut,
      result: code,
    } as const;
    return this.#machine.auditTrail!.append(entry, releasedKeys);
  }

  /** The code to answer with; everything that is not a refusal is an error of this program. */
  #refusalCode(error: unknown, { command, header }: HostMessage, host: Host): Exclude<AnswerCode, '00'> {
    const code = error instanceof Refusal ? error.code : '41';
    const reason = error instanceof Refusal ? error.message : `internal error: ${nameOf(error)}`;
    this.#log(code === '41' ? 'error' : 'info', 'refused', reason, {
      command: printable(Buffer.from(command, 'latin1')),
      code,
      header: printable(header),
      host: host.id,
    });
    return code;
  }

  /** An HSM that cannot keep its log does not work. */
  #failAudit(error: unknown): AnswerCode {
    if (this.#machine.state !== 'FAILED') {
      this.#machine.fail();
      this.#log('error', 'failed', `the audit log cannot be written: ${nameOf(error)}`);
    }
    return '41';
  }
}

/** Without an LMK every command that uses keys is answered with 13, after a failure with 41. */
function requireOperational(state: HsmState): void {
  if (state === 'LOCKED') throw new Refusal('13', 'no LMK is loaded');
  if (state === 'FAILED') throw new Refusal('41', 'the HSM has failed; it needs a restart');
}

const nothing = Buffer.alloc(0);

function refused(code: Exclude<AnswerCode, '00'>): Answer {
  return { code, data: nothing, releasedKeys: 0 };
}

/** Name, code and place of an error, without its message: a message could quote what was being worked on. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const { code } = error as NodeJS.ErrnoException;
  const place =
    error.stack
      ?.split('\n')
      .find((line) => line.trimStart().startsWith('at '))
      ?.trim() ?? '';
  return [error.name, code, place].filter(Boolean).join(' ');
}

/** Header and command bytes for a log: printable as they are, all others as hex. */
function printable(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('latin1');
  return /^[\x20-\x7E]*$/.test(text) ? text : Buffer.from(bytes).toString('hex').toUpperCase();
}
