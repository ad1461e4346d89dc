import { Module } from '@nestjs/common';
import { PkiModule } from '../pki/pki.module.ts';
import { SessionRegistry } from '../sessions/session-registry.ts';
import { DeriveWorker } from './derive-worker.ts';
import { Dispatcher } from './dispatcher.ts';
import { Inventories } from './inventories.ts';
import { LoadsController } from './loads.controller.ts';
import { LoadsService } from './loads.service.ts';
import { OutboxRelay } from './outbox-relay.ts';
import { ResultsService } from './results.service.ts';
import { Sweeper } from './sweeper.ts';
import { UnknownOutcomes } from './unknown-outcomes.ts';

@Module({
  imports: [PkiModule],
  controllers: [LoadsController],
  providers: [
    SessionRegistry,
    DeriveWorker,
    Dispatcher,
    Inventories,
    LoadsService,
    OutboxRelay,
    ResultsService,
    Sweeper,
    UnknownOutcomes,
  ],
  exports: [SessionRegistry, Dispatcher, Inventories, OutboxRelay, ResultsService, UnknownOutcomes],
})
export class LoadsModule {}
