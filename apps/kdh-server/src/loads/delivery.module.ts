import { Module } from '@nestjs/common';
import { SignalListener } from '../database/signals.ts';
import { SessionRegistry } from '../sessions/session-registry.ts';
import { Dispatcher } from './dispatcher.ts';
import { Inventories } from './inventories.ts';
import { OutboxModule } from './outbox.module.ts';
import { ResultsService } from './results.service.ts';
import { UnknownOutcomes } from './unknown-outcomes.ts';

/** Steps 3 to 5 of a load, beside the sessions that they go through. */
@Module({
  imports: [OutboxModule],
  providers: [SignalListener, SessionRegistry, Dispatcher, Inventories, ResultsService, UnknownOutcomes],
  exports: [
    OutboxModule,
    SignalListener,
    SessionRegistry,
    Dispatcher,
    Inventories,
    ResultsService,
    UnknownOutcomes,
  ],
})
export class DeliveryModule {}
