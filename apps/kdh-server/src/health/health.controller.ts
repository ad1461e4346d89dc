import { Controller, Get, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Open } from '../operators/operator.guard.ts';
import { type Readiness, readinessSchema, type Status, statusSchema } from './health.schemas.ts';
import { HealthService } from './health.service.ts';

@ApiTags('Health')
@Controller('api/v1')
export class HealthController {
  constructor(private readonly health: HealthService) {}

  /** The process answers. */
  @Open()
  @Get('health')
  @ApiOkResponse({ description: 'alive' })
  alive(): { alive: true } {
    return { alive: true };
  }

  /** 200 when this node can do its part of a load, else 503 and what it lacks. */
  @Open()
  @Get('ready')
  @ApiOkResponse({ standardSchema: readinessSchema })
  async ready(@Res({ passthrough: true }) response: Response): Promise<Readiness> {
    const readiness = await this.health.readiness();
    if (!readiness.ready) response.status(503);
    return readiness;
  }

  @ApiBearerAuth()
  @Get('status')
  @ApiOkResponse({ standardSchema: statusSchema })
  status(): Promise<Status> {
    return this.health.status();
  }
}
