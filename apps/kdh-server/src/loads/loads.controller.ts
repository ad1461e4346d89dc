import { Body, Controller, Get, Param, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiCreatedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { uuidParam } from '../http/parameters.ts';
import { CurrentOperator } from '../operators/operator.guard.ts';
import type { Operator } from '../operators/operators.ts';
import {
  type CreateLoad,
  type CreateLoads,
  createLoadSchema,
  createLoadsSchema,
  type Load,
  loadSchema,
  loadsSchema,
} from './loads.schemas.ts';
import { LoadsService } from './loads.service.ts';

@ApiTags('Key loads')
@ApiBearerAuth()
@Controller('api/v1/loads')
export class LoadsController {
  constructor(private readonly loads: LoadsService) {}

  @Post()
  @ApiCreatedResponse({ standardSchema: loadSchema })
  async create(
    @Body({ schema: createLoadSchema }) { terminalId, reason }: CreateLoad,
    @CurrentOperator() by: Operator,
  ): Promise<Load> {
    const [load] = await this.loads.create([terminalId], reason, by);
    return load as Load;
  }

  /** Up to a thousand terminals at once, in one transaction: every one gets its load, or none does. */
  @Post('batch')
  @ApiCreatedResponse({ standardSchema: loadsSchema })
  createBatch(
    @Body({ schema: createLoadsSchema }) { terminalIds, reason }: CreateLoads,
    @CurrentOperator() by: Operator,
  ): Promise<Load[]> {
    return this.loads.create(terminalIds, reason, by);
  }

  @Get(':id')
  @ApiOkResponse({ standardSchema: loadSchema })
  get(@Param('id', { schema: uuidParam }) id: string): Promise<Load> {
    return this.loads.get(id);
  }
}
