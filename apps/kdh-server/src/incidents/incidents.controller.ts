import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiCreatedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { uuidParam } from '../http/parameters.ts';
import { CurrentOperator } from '../operators/operator.guard.ts';
import type { Operator } from '../operators/operators.ts';
import {
  type DecideIncident,
  decideIncidentSchema,
  type Incident,
  incidentSchema,
  type ListIncidents,
  listIncidentsSchema,
} from './incidents.schemas.ts';
import { IncidentsService } from './incidents.service.ts';

@ApiTags('Incidents')
@ApiBearerAuth()
@Controller('api/v1/incidents')
export class IncidentsController {
  constructor(private readonly incidents: IncidentsService) {}

  /** In the order in which they were opened. */
  @Get()
  @ApiOkResponse({ standardSchema: z.array(incidentSchema) })
  list(@Query({ schema: listIncidentsSchema }) query: ListIncidents): Promise<Incident[]> {
    return this.incidents.list(query);
  }

  @Get(':id')
  @ApiOkResponse({ standardSchema: incidentSchema })
  get(@Param('id', { schema: uuidParam }) id: string): Promise<Incident> {
    return this.incidents.get(id);
  }

  /** The operator who asks takes care of it from now on. */
  @Post(':id/take')
  @ApiCreatedResponse({ standardSchema: incidentSchema })
  take(@Param('id', { schema: uuidParam }) id: string, @CurrentOperator() by: Operator): Promise<Incident> {
    return this.incidents.take(id, by);
  }

  /** Decides and closes it; what was decided is done in the same transaction. */
  @Post(':id/decide')
  @ApiCreatedResponse({ standardSchema: incidentSchema })
  decide(
    @Param('id', { schema: uuidParam }) id: string,
    @Body({ schema: decideIncidentSchema }) body: DecideIncident,
    @CurrentOperator() by: Operator,
  ): Promise<Incident> {
    return this.incidents.decide(id, body, by);
  }
}
