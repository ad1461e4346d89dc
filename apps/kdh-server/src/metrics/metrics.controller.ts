import { Controller, Get, Res, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Open } from '../operators/operator.guard.ts';
import { MetricsGuard } from './metrics.guard.ts';
import { registry } from './registry.ts';
import { SystemMetrics } from './system-metrics.ts';

@ApiTags('Health')
@ApiBearerAuth()
@Controller('api/v1')
export class MetricsController {
  constructor(private readonly system: SystemMetrics) {}

  /** Prometheus text format, for the bearer of KDH_METRICS_TOKEN. docs/operations has alerts and a dashboard. */
  @Open()
  @UseGuards(MetricsGuard)
  @Get('metrics')
  @ApiOkResponse({ description: 'Prometheus exposition format' })
  @ApiProduces('text/plain')
  async metrics(@Res({ passthrough: true }) response: Response): Promise<string> {
    await this.system.refresh();
    response.type(registry.contentType);
    return registry.metrics();
  }
}
