import { Module } from '@nestjs/common';
import { PkiModule } from '../pki/pki.module.ts';
import { TerminalsController } from './terminals.controller.ts';
import { TerminalsService } from './terminals.service.ts';

@Module({ imports: [PkiModule], controllers: [TerminalsController], providers: [TerminalsService] })
export class TerminalsModule {}
