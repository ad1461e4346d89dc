import { Body, Controller, Get, Param, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiCreatedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { uuidParam } from '../http/parameters.ts';
import { CurrentOperator } from '../operators/operator.guard.ts';
import type { Operator } from '../operators/operators.ts';
import { type CreateLoad, createLoadSchema, type Load, loadSchema } from './loads.schemas.ts';
import { LoadsService } from './loads.service.ts';

@ApiTags('Key loads')
@ApiBearerAuth()
@Controller('api/v1/loads')
export class LoadsController {
  constructor(private readonly loads: LoadsService) {}

  @Post()
  @ApiCreatedResponse({ standardSchema: loadSchema })
  create(
    @Body({ schema: createLoadSchema }) body: CreateLoad,
    @CurrentOperator() by: Operator,
  ): Promise<Load> {
    return this.loads.create(body, by);
  }

  @Get(':id')
  @ApiOkResponse({ standardSchema: loadSchema })
  get(@Param('id', { schema: uuidParam }) id: string): Promise<Load> {
    return this.loads.get(id);
  }
}
