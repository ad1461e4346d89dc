import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiTags,
} from '@nestjs/swagger';
import { z } from 'zod';
import { uuidParam } from '../http/parameters.ts';
import { CurrentOperator, ForAuditors } from '../operators/operator.guard.ts';
import type { Operator } from '../operators/operators.ts';
import {
  type SavedSearch,
  type SaveSearch,
  savedSearchSchema,
  saveSearchSchema,
} from './saved-searches.schemas.ts';
import { SavedSearchesService } from './saved-searches.service.ts';

@ApiTags('Saved searches')
@ApiBearerAuth()
@ForAuditors()
@Controller('api/v1/saved-searches')
export class SavedSearchesController {
  constructor(private readonly searches: SavedSearchesService) {}

  @Get()
  @ApiOkResponse({ standardSchema: z.array(savedSearchSchema) })
  list(@CurrentOperator() { id }: Operator): Promise<SavedSearch[]> {
    return this.searches.list(id);
  }

  @Post()
  @ApiCreatedResponse({ standardSchema: savedSearchSchema })
  save(
    @Body({ schema: saveSearchSchema }) body: SaveSearch,
    @CurrentOperator() { id }: Operator,
  ): Promise<SavedSearch> {
    return this.searches.save(id, body);
  }

  @Put(':id')
  @ApiOkResponse({ standardSchema: savedSearchSchema })
  change(
    @Param('id', { schema: uuidParam }) searchId: string,
    @Body({ schema: saveSearchSchema }) body: SaveSearch,
    @CurrentOperator() { id }: Operator,
  ): Promise<SavedSearch> {
    return this.searches.change(id, searchId, body);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiNoContentResponse()
  delete(
    @Param('id', { schema: uuidParam }) searchId: string,
    @CurrentOperator() { id }: Operator,
  ): Promise<void> {
    return this.searches.delete(id, searchId);
  }
}
