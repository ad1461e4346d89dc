import { Controller, Get, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { ForAuditors } from '../operators/operator.guard.ts';
import {
  type EventPage,
  type ExportEvents,
  eventPageSchema,
  exportEventsSchema,
  type SearchEvents,
  searchEventsSchema,
} from './events.schemas.ts';
import { EventsService } from './events.service.ts';
import { eventColumns } from './events-csv.ts';
import { sendAll } from './export.ts';

@ApiTags('Audit events')
@ApiBearerAuth()
@ForAuditors()
@Controller('api/v1/events')
export class EventsController {
  constructor(private readonly events: EventsService) {}

  @Get()
  @ApiOkResponse({ standardSchema: eventPageSchema })
  search(
    @Query({ schema: searchEventsSchema }) { limit, cursor, ...filters }: SearchEvents,
  ): Promise<EventPage> {
    return this.events.search(filters, { limit, after: cursor });
  }

  /** Every event that the filters name, as CSV or as JSON lines; a stream of any length. */
  @Get('export')
  @ApiOkResponse({ description: 'One line for each event, newest first' })
  @ApiProduces('text/csv', 'application/x-ndjson')
  async export(
    @Query({ schema: exportEventsSchema }) { format, ...filters }: ExportEvents,
    @Res() response: Response,
  ): Promise<void> {
    await sendAll(response, { name: 'events', format, columns: eventColumns }, async (after, limit) => {
      const { events, next } = await this.events.search(filters, { after, limit });
      return { records: events, next };
    });
  }
}
