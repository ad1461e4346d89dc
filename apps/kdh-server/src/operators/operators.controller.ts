import { Body, Controller, Get, Param, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiCreatedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { type Reason, reasonSchema, uuidParam } from '../http/parameters.ts';
import { CurrentOperator } from './operator.guard.ts';
import {
  type CreateOperator,
  createOperatorSchema,
  type OperatorRecord,
  type OperatorWithToken,
  operatorSchema,
  operatorWithTokenSchema,
} from './operators.schemas.ts';
import { type Operator, Operators } from './operators.ts';

@ApiTags('Operators')
@ApiBearerAuth()
@Controller('api/v1/operators')
export class OperatorsController {
  constructor(private readonly operators: Operators) {}

  @Post()
  @ApiCreatedResponse({ standardSchema: operatorWithTokenSchema })
  create(
    @Body({ schema: createOperatorSchema }) body: CreateOperator,
    @CurrentOperator() by: Operator,
  ): Promise<OperatorWithToken> {
    return this.operators.make(body, by);
  }

  @Get()
  @ApiOkResponse({ standardSchema: z.array(operatorSchema) })
  list(): Promise<OperatorRecord[]> {
    return this.operators.list();
  }

  @Post(':id/revoke')
  @ApiCreatedResponse({ standardSchema: operatorSchema })
  revoke(
    @Param('id', { schema: uuidParam }) id: string,
    @Body({ schema: reasonSchema }) { reason }: Reason,
    @CurrentOperator() by: Operator,
  ): Promise<OperatorRecord> {
    return this.operators.revoke(id, reason, by);
  }

  /** Of a revoked operator. What the operator did stays in the history, and stays provable. */
  @Post(':id/erase-name')
  @ApiCreatedResponse({ standardSchema: operatorSchema })
  eraseName(
    @Param('id', { schema: uuidParam }) id: string,
    @Body({ schema: reasonSchema }) { reason }: Reason,
    @CurrentOperator() by: Operator,
  ): Promise<OperatorRecord> {
    return this.operators.eraseName(id, reason, by);
  }
}
