import { Body, Controller, Get, Param, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiCreatedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { type Reason, reasonSchema, uuidParam } from '../http/parameters.ts';
import { CurrentOperator } from '../operators/operator.guard.ts';
import type { Operator } from '../operators/operators.ts';
import {
  type Bdk,
  bdkSchema,
  type ChangeMaxDevices,
  type CreateBdk,
  changeMaxDevicesSchema,
  createBdkSchema,
} from './bdks.schemas.ts';
import { BdksService } from './bdks.service.ts';

@ApiTags('BDKs')
@ApiBearerAuth()
@Controller('api/v1/bdks')
export class BdksController {
  constructor(private readonly bdks: BdksService) {}

  @Post()
  @ApiCreatedResponse({ standardSchema: bdkSchema })
  create(@Body({ schema: createBdkSchema }) body: CreateBdk, @CurrentOperator() by: Operator): Promise<Bdk> {
    return this.bdks.create(body, by);
  }

  @Get()
  @ApiOkResponse({ standardSchema: z.array(bdkSchema) })
  list(): Promise<Bdk[]> {
    return this.bdks.list();
  }

  @Post(':id/freeze')
  @ApiCreatedResponse({ standardSchema: bdkSchema })
  freeze(
    @Param('id', { schema: uuidParam }) id: string,
    @Body({ schema: reasonSchema }) { reason }: Reason,
    @CurrentOperator() by: Operator,
  ): Promise<Bdk> {
    return this.bdks.setState(id, 'FROZEN', reason, by);
  }

  @Post(':id/release')
  @ApiCreatedResponse({ standardSchema: bdkSchema })
  release(
    @Param('id', { schema: uuidParam }) id: string,
    @Body({ schema: reasonSchema }) { reason }: Reason,
    @CurrentOperator() by: Operator,
  ): Promise<Bdk> {
    return this.bdks.setState(id, 'ACTIVE', reason, by);
  }

  /** The first of two people. The BDK is frozen, and of no load that is under way. */
  @Post(':id/ask-destruction')
  @ApiCreatedResponse({ standardSchema: bdkSchema })
  askDestruction(
    @Param('id', { schema: uuidParam }) id: string,
    @Body({ schema: reasonSchema }) { reason }: Reason,
    @CurrentOperator() by: Operator,
  ): Promise<Bdk> {
    return this.bdks.askDestruction(id, reason, by);
  }

  /** The second of two people: erases the block of the BDK, for good. */
  @Post(':id/destroy')
  @ApiCreatedResponse({ standardSchema: bdkSchema })
  destroy(
    @Param('id', { schema: uuidParam }) id: string,
    @Body({ schema: reasonSchema }) { reason }: Reason,
    @CurrentOperator() by: Operator,
  ): Promise<Bdk> {
    return this.bdks.destroy(id, reason, by);
  }

  /** Raises or lowers the number of initial keys that it may give, not below what it has given. */
  @Post(':id/max-devices')
  @ApiCreatedResponse({ standardSchema: bdkSchema })
  changeMaxDevices(
    @Param('id', { schema: uuidParam }) id: string,
    @Body({ schema: changeMaxDevicesSchema }) { maxDevices, reason }: ChangeMaxDevices,
    @CurrentOperator() by: Operator,
  ): Promise<Bdk> {
    return this.bdks.changeMaxDevices(id, maxDevices, reason, by);
  }
}
