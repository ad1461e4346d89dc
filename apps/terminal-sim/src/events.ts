import type { KdhMessage, Received } from '@openkdh/terminal-protocol';
import type { Log } from './log.ts';
import type { TerminalRecord } from './record.ts';

/** Says in the log what a message of the KDH has changed. `record`: as it is afterwards. */
export function logStored(
  log: Log,
  serial: string,
  record: TerminalRecord,
  message: Received<KdhMessage>,
): void {
  switch (message.t) {
    case 'WELCOME':
      return log('info', 'connected', 'the KDH has said WELCOME', { serial, epoch: record.epoch });
    case 'BIND':
      return log('info', 'bound', 'the terminal is bound', { serial, kdh: record.boundKdh?.fingerprint });
    case 'LOAD_KBPK':
    case 'LOAD_KEYS':
      return logResult(log, serial, record, message.b.attempt);
    case 'LOAD_ACK':
      return logVerdict(log, serial, record, message.b);
  }
}

function logResult(log: Log, serial: string, { results }: TerminalRecord, attempt: string): void {
  const { result } = results.find((stored) => stored.result.attempt === attempt)!;
  const refused = result.results.some(({ code }) => code !== 0);
  const fields = { serial, attempt, results: result.results };
  if (refused) log('warn', 'refused', 'the terminal refuses the keys', fields);
  else log('info', 'stored', 'the terminal has stored the keys', fields);
}

type Acknowledgement = Extract<KdhMessage, { t: 'LOAD_ACK' }>['b'];

function logVerdict(
  log: Log,
  serial: string,
  record: TerminalRecord,
  { attempt, verdict }: Acknowledgement,
): void {
  if (verdict !== 'ACCEPTED')
    return log('warn', 'not-accepted', `the KDH says ${verdict}`, { serial, attempt });
  const slots = Object.entries(record.slots).flatMap(([slot, key]) =>
    key.usage === 'B1' && key.attempt === attempt
      ? [{ slot, algorithm: key.algorithm, ksn: key.ksn, kcv: key.kcv }]
      : [],
  );
  if (slots.length > 0) log('info', 'loaded', 'the KDH has confirmed the keys', { serial, attempt, slots });
}
