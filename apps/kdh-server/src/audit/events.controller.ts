import { Controller, Get, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Database } from '../database/database.ts';
import { CurrentOperator, ForAuditors } from '../operators/operator.guard.ts';
import type { Operator } from '../operators/operators.ts';
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
import { recordableFilters, recordExport } from './recorded-export.ts';

@ApiTags('Audit events')
@ApiBearerAuth()
@ForAuditors()
@Controller('api/v1/events')
export class EventsController {
  constructor(
    private readonly events: EventsService,
    private readonly database: Database,
  ) {}

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
    @CurrentOperator() by: Operator,
    @Res() response: Response,
  ): Promise<void> {
    const record = async () =>
      recordExport(this.database, by, {
        what: 'events',
        format,
        filters: await recordableFilters(this.database, filters),
      });
    const shape = { name: 'events', format, columns: eventColumns, record };
    await sendAll(response, shape, async (after, limit) => {
      const { events, next } = await this.events.search(filters, { after, limit });
      return { records: events, next };
    });
  }
}
