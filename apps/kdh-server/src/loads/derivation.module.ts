import { Module } from '@nestjs/common';
import { PkiModule } from '../pki/pki.module.ts';
import { DeriveWorker } from './derive-worker.ts';
import { OutboxModule } from './outbox.module.ts';
import { Sweeper } from './sweeper.ts';

/** Steps 1 and 2 of a load, and whatever nobody does in time. */
@Module({ imports: [PkiModule, OutboxModule], providers: [DeriveWorker, Sweeper] })
export class DerivationModule {}
