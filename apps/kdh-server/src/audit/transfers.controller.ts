import { Controller, Get, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { ForAuditors } from '../operators/operator.guard.ts';
import { sendAll } from './export.ts';
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
  constructor(private readonly transfers: TransfersService) {}

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
    @Res() response: Response,
  ): Promise<void> {
    await sendAll(response, { name: 'transfers', format, columns: transferColumns }, async (after, limit) => {
      const { transfers, next } = await this.transfers.search(filters, { after, limit });
      return { records: transfers, next };
    });
  }
}
