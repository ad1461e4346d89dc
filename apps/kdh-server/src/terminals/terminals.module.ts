import { Module } from '@nestjs/common';
import { LoadsModule } from '../loads/loads.module.ts';
import { PkiModule } from '../pki/pki.module.ts';
import { TerminalCertificates } from './terminal-certificates.ts';
import { TerminalsController } from './terminals.controller.ts';
import { TerminalsService } from './terminals.service.ts';

@Module({
  imports: [PkiModule, LoadsModule],
  controllers: [TerminalsController],
  providers: [TerminalCertificates, TerminalsService],
  exports: [TerminalCertificates],
})
export class TerminalsModule {}
