import { Module } from '@nestjs/common';
import { OutboxModule } from '../loads/outbox.module.ts';
import { IncidentsController } from './incidents.controller.ts';
import { IncidentsService } from './incidents.service.ts';

@Module({ imports: [OutboxModule], controllers: [IncidentsController], providers: [IncidentsService] })
export class IncidentsModule {}
