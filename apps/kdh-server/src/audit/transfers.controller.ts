import { Controller, Get, Headers, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import {
  type SearchTransfers,
  searchTransfersSchema,
  type TransferPage,
  transferPageSchema,
} from './transfers.schemas.ts';
import { TransfersService } from './transfers.service.ts';
import { transfersCsv } from './transfers-csv.ts';

@ApiTags('Transfer records')
@ApiBearerAuth()
@Controller('api/v1/transfers')
export class TransfersController {
  constructor(private readonly transfers: TransfersService) {}

  /** JSON, or CSV with `format=csv` or `Accept: text/csv`; the next page's cursor of a CSV is in `X-Next-Cursor`. */
  @Get()
  @ApiOkResponse({ standardSchema: transferPageSchema })
  @ApiProduces('application/json', 'text/csv')
  async search(
    @Query({ schema: searchTransfersSchema }) search: SearchTransfers,
    @Headers('accept') accept: string | undefined,
    @Res({ passthrough: true }) response: Response,
  ): Promise<TransferPage | string> {
    const page = await this.transfers.search(search);
    const csv = search.format === 'csv' || (search.format === undefined && accept?.startsWith('text/csv'));
    if (!csv) return page;
    if (page.next) response.setHeader('x-next-cursor', page.next);
    response.type('text/csv; charset=utf-8');
    return transfersCsv(page.transfers);
  }
}
