import { Module } from '@nestjs/common';
import { LoadsController } from './loads.controller.ts';
import { LoadsService } from './loads.service.ts';
import { OutboxModule } from './outbox.module.ts';

/** Loads as people ask for them. */
@Module({ imports: [OutboxModule], controllers: [LoadsController], providers: [LoadsService] })
export class LoadsModule {}
