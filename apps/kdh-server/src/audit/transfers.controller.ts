import { Controller, Get, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Database } from '../database/database.ts';
import { CurrentOperator, ForAuditors } from '../operators/operator.guard.ts';
import type { Operator } from '../operators/operators.ts';
import { sendAll } from './export.ts';
import { recordableFilters, recordExport } from './recorded-export.ts';
import {
  type ExportTransfers,
  exportTransfersSchema,
  type SearchTransfers,
  searchTransfersSchema,
  type TransferPage,
  transferPageSchema,
} from './transfers.schemas.ts';
import { TransfersService } from './transfers.service.ts';
import { transferColumns } from './transfers-csv.ts';

@ApiTags('Transfer records')
@ApiBearerAuth()
@ForAuditors()
@Controller('api/v1/transfers')
export class TransfersController {
  constructor(
    private readonly transfers: TransfersService,
    private readonly database: Database,
  ) {}

  @Get()
  @ApiOkResponse({ standardSchema: transferPageSchema })
  search(
    @Query({ schema: searchTransfersSchema }) { limit, cursor, ...filters }: SearchTransfers,
  ): Promise<TransferPage> {
    return this.transfers.search(filters, { limit, after: cursor });
  }

  /** Every transfer that the filters name, as CSV (one line for each key) or as JSON lines; a stream of any length. */
  @Get('export')
  @ApiOkResponse({ description: 'Newest first' })
  @ApiProduces('text/csv', 'application/x-ndjson')
  async export(
    @Query({ schema: exportTransfersSchema }) { format, ...filters }: ExportTransfers,
    @CurrentOperator() by: Operator,
    @Res() response: Response,
  ): Promise<void> {
    const record = async () =>
      recordExport(this.database, by, {
        what: 'transfers',
        format,
        filters: await recordableFilters(this.database, filters),
      });
    const shape = { name: 'transfers', format, columns: transferColumns, record };
    await sendAll(response, shape, async (after, limit) => {
      const { transfers, next } = await this.transfers.search(filters, { after, limit });
      return { records: transfers, next };
    });
  }
}
