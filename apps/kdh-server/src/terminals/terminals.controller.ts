import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiCreatedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { type Reason, reasonSchema, uuidParam } from '../http/parameters.ts';
import { CurrentOperator } from '../operators/operator.guard.ts';
import type { Operator } from '../operators/operators.ts';
import {
  type EnrolledTerminal,
  type EnrolTerminal,
  enrolledTerminalSchema,
  enrolTerminalSchema,
  type ListTerminals,
  listTerminalsSchema,
  type Terminal,
  terminalSchema,
} from './terminals.schemas.ts';
import { TerminalsService } from './terminals.service.ts';

@ApiTags('Terminals')
@ApiBearerAuth()
@Controller('api/v1/terminals')
export class TerminalsController {
  constructor(private readonly terminals: TerminalsService) {}

  @Post()
  @ApiCreatedResponse({ standardSchema: enrolledTerminalSchema })
  enrol(
    @Body({ schema: enrolTerminalSchema }) body: EnrolTerminal,
    @CurrentOperator() by: Operator,
  ): Promise<EnrolledTerminal> {
    return this.terminals.enrol(body, by);
  }

  @Get()
  @ApiOkResponse({ standardSchema: z.array(terminalSchema) })
  list(@Query({ schema: listTerminalsSchema }) query: ListTerminals): Promise<Terminal[]> {
    return this.terminals.list(query);
  }

  @Post(':id/suspend')
  @ApiCreatedResponse({ standardSchema: terminalSchema })
  suspend(
    @Param('id', { schema: uuidParam }) id: string,
    @Body({ schema: reasonSchema }) { reason }: Reason,
    @CurrentOperator() by: Operator,
  ): Promise<Terminal> {
    return this.terminals.suspend(id, reason, by);
  }

  @Post(':id/resume')
  @ApiCreatedResponse({ standardSchema: terminalSchema })
  resume(
    @Param('id', { schema: uuidParam }) id: string,
    @Body({ schema: reasonSchema }) { reason }: Reason,
    @CurrentOperator() by: Operator,
  ): Promise<Terminal> {
    return this.terminals.resume(id, reason, by);
  }

  @Post(':id/revoke')
  @ApiCreatedResponse({ standardSchema: terminalSchema })
  revoke(
    @Param('id', { schema: uuidParam }) id: string,
    @Body({ schema: reasonSchema }) { reason }: Reason,
    @CurrentOperator() by: Operator,
  ): Promise<Terminal> {
    return this.terminals.revoke(id, reason, by);
  }
}
