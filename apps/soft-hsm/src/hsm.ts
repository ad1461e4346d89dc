import { type AnswerCode, Refusal } from './answer-codes.ts';
import type { Answer, Command } from './commands/command.ts';
import { commands } from './commands/index.ts';
import { CommandScope } from './commands/scope.ts';
import { SoftHsmError } from './errors.ts';
import type { Host } from './hosts/host.ts';
import type { Machine } from './machine.ts';
import { FieldReader } from './wire/fields.ts';
import { formatAnswer, type HostMessage, maxMessageBytes, splitMessage } from './wire/message.ts';

/** One message on its way to its answer. */
interface Exchange {
  message: HostMessage;
  host: Host;
  /** `undefined` for a code that is no command of this HSM. */
  command: Command | undefined;
  fields: FieldReader;
  scope: CommandScope;
}

/** The HSM behind its sockets: one message in, one answer out. */
export class SoftHsm {
  readonly #machine: Machine;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /**
   * Answers one message. Whatever it holds, the result is an answer with an error code, never an exception; only a
   * message too short to be answered gives `undefined`. A command that uses keys is answered when its record is on
   * disk, any other at once.
   */
  answer(bytes: Buffer, host: Host): Buffer | Promise<Buffer> | undefined {
    const message = splitMessage(bytes);
    if (message === undefined) return undefined;
    const exchange: Exchange = {
      message,
      host,
      command: Object.hasOwn(commands, message.command) ? commands[message.command] : undefined,
      fields: new FieldReader(message.body),
      scope: new CommandScope(this.#machine, host),
    };
    try {
      const answer = this.#run(exchange, bytes.length);
      if (!(answer instanceof Promise)) return this.#finish(exchange, answer);
      return answer.then(
        (late) => this.#finish(exchange, late),
        (error) => this.#refuse(exchange, error),
      );
    } catch (error) {
      return this.#refuse(exchange, error);
    }
  }

  #run({ message, host, command, fields, scope }: Exchange, messageBytes: number): Answer | Promise<Answer> {
    if (command === undefined) throw new Refusal('68', 'not a command of this HSM');
    host.requireCommand(message.command);
    if (messageBytes > maxMessageBytes) throw new Refusal('80', `message of ${messageBytes} bytes`);
    if (command.kind !== 'status') requireSound(this.#machine);
    if (command.kind === 'key') {
      requireOpen(this.#machine);
      host.requireTrust();
    }
    const run = command.prepare(fields);
    fields.end();
    return run(scope);
  }

  #refuse(exchange: Exchange, error: unknown): Buffer | Promise<Buffer> {
    return this.#finish(exchange, {
      code: this.#refusalCode(exchange, error),
      data: nothing,
      releasedKeys: 0,
    });
  }

  #finish(exchange: Exchange, { code, data, releasedKeys }: Answer): Buffer | Promise<Buffer> {
    const { message, host, command, fields } = exchange;
    host.answered(code);
    if (command?.kind !== 'key') return formatAnswer(message, code, data, fields.trailer);
    if (this.#machine.state !== 'OPERATIONAL') {
      // It has been locked while the command was under way: nothing leaves without its record.
      const refusal = code === '00' || code === '01' ? '13' : code;
      return formatAnswer(message, refusal, nothing, fields.trailer);
    }
    return this.#record(exchange, code, releasedKeys).then(
      () => formatAnswer(message, code, data, fields.trailer),
      (error) => {
        this.#machine.fail(`the audit log cannot be written: ${nameOf(error)}`);
        return formatAnswer(message, '41', nothing, fields.trailer);
      },
    );
  }

  #record({ message, host, scope }: Exchange, result: AnswerCode, releasedKeys: number): Promise<void> {
    const { command } = message;
    const { keysIn, keysOut } = scope;
    this.#machine.log('debug', 'command', `${command} answered ${result}`, () => ({
      command,
      code: result,
      header: printable(message.header),
      host: host.name,
      keysIn,
      keysOut,
    }));
    const entry = {
      event: 'command',
      client: host.id,
      command,
      grant: scope.grant,
      keysIn,
      keysOut,
      result,
    } as const;
    return this.#machine.auditTrail!.append(entry, releasedKeys);
  }

  /** The code to answer with; everything that is not a refusal is an error of this program. */
  #refusalCode({ message, host }: Exchange, error: unknown): Exclude<AnswerCode, '00'> {
    const code = error instanceof Refusal ? error.code : '41';
    const reason = error instanceof Refusal ? error.message : `internal error: ${nameOf(error)}`;
    if (error instanceof SoftHsmError && error.code === 'SOFT_HSM_ENTROPY') this.#machine.fail(error.message);
    this.#machine.log(code === '41' ? 'error' : 'info', 'refused', reason, {
      command: printable(Buffer.from(message.command, 'latin1')),
      code,
      header: printable(message.header),
      host: host.name,
    });
    return code;
  }
}

const nothing = Buffer.alloc(0);

/** After a failure there are only status commands; all others are answered with 41. */
function requireSound({ state }: Machine): void {
  if (state === 'FAILED') throw new Refusal('41', 'the HSM has failed; it needs a restart');
}

/** Without an LMK a command that uses keys is answered with 13, and with 41 while nobody has fetched the log. */
function requireOpen({ state, auditTrail, settings }: Machine): void {
  if (state !== 'OPERATIONAL') throw new Refusal('13', `no LMK is loaded: the HSM is ${state}`);
  const { seq, acknowledged } = auditTrail!.head;
  if (seq - acknowledged >= (settings.auditLimit ?? Number.POSITIVE_INFINITY)) {
    throw new Refusal('41', `${seq - acknowledged} records of the audit log are not acknowledged`);
  }
}

/** Name, code and place of an error, without its message: a message could quote what was being worked on. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const { code } = error as NodeJS.ErrnoException;
  const place = error.stack?.split('\n').find((line) => line.trimStart().startsWith('at '));
  return [error.name, code, place?.trim()].filter(Boolean).join(' ');
}

/** Header and command bytes for a log: printable as they are, all others as hex. */
function printable(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('latin1');
  return /^[\x20-\x7E]*$/.test(text) ? text : Buffer.from(bytes).toString('hex').toUpperCase();
}
