import { Injectable, type OnModuleInit } from '@nestjs/common';
import { protocolCodes } from '@openkdh/terminal-protocol';
import { SignalListener } from '../database/signals.ts';
import { SessionRegistry } from './session-registry.ts';

/** Ends sessions of this node because of what was decided on any node. */
@Injectable()
export class SessionSignals implements OnModuleInit {
  constructor(
    private readonly signals: SignalListener,
    private readonly sessions: SessionRegistry,
  ) {}

  onModuleInit(): void {
    this.signals.on('barred', (items) => {
      for (const { terminalId, code } of items) {
        const { number, closeCode } = protocolCodes[code];
        this.sessions.get(terminalId)?.kick(number, closeCode, 0);
      }
    });
    this.signals.on('superseded', (items) => {
      const { number, closeCode } = protocolCodes.SUPERSEDED_SESSION;
      for (const { terminalId, epoch } of items) {
        const session = this.sessions.get(terminalId);
        if (session && session.epoch < BigInt(epoch)) session.kick(number, closeCode, 0);
      }
    });
  }
}
