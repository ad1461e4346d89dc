import { Module } from '@nestjs/common';
import { DeliveryModule } from '../loads/delivery.module.ts';
import { PkiModule } from '../pki/pki.module.ts';
import { TerminalCertificates } from '../terminals/terminal-certificates.ts';
import { Binding } from './binding.ts';
import { NodeLease } from './node-lease.ts';
import { Refusals } from './refusals.ts';
import { SessionOpener } from './session-opener.ts';
import { SessionSignals } from './session-signals.ts';
import { SessionsGateway } from './sessions.gateway.ts';
import { TerminalListener } from './terminal-listener.ts';

@Module({
  imports: [PkiModule, DeliveryModule],
  providers: [
    Binding,
    NodeLease,
    Refusals,
    SessionOpener,
    SessionSignals,
    SessionsGateway,
    TerminalCertificates,
    TerminalListener,
  ],
  exports: [TerminalListener],
})
export class SessionsModule {}
