import { Module } from '@nestjs/common';
import { MetricsController } from './metrics.controller.ts';
import { MetricsGuard } from './metrics.guard.ts';
import { SystemMetrics } from './system-metrics.ts';

@Module({ controllers: [MetricsController], providers: [MetricsGuard, SystemMetrics] })
export class MetricsModule {}
