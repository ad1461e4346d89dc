import { Module } from '@nestjs/common';
import { LoadsModule } from '../loads/loads.module.ts';
import { PkiModule } from '../pki/pki.module.ts';
import { TerminalsModule } from '../terminals/terminals.module.ts';
import { Binding } from './binding.ts';
import { NodeLease } from './node-lease.ts';
import { Refusals } from './refusals.ts';
import { SessionOpener } from './session-opener.ts';
import { SessionSignals } from './session-signals.ts';
import { SessionsGateway } from './sessions.gateway.ts';
import { TerminalListener } from './terminal-listener.ts';

@Module({
  imports: [PkiModule, TerminalsModule, LoadsModule],
  providers: [Binding, NodeLease, Refusals, SessionOpener, SessionSignals, SessionsGateway, TerminalListener],
  exports: [TerminalListener],
})
export class SessionsModule {}
