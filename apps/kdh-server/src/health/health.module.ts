import { Module } from '@nestjs/common';
import { SessionsModule } from '../sessions/sessions.module.ts';
import { HealthController } from './health.controller.ts';
import { HealthService } from './health.service.ts';

@Module({ imports: [SessionsModule], controllers: [HealthController], providers: [HealthService] })
export class HealthModule {}
