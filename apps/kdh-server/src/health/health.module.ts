import { type DynamicModule, Module } from '@nestjs/common';
import type { Role } from '../config/config.ts';
import { SessionsModule } from '../sessions/sessions.module.ts';
import { HealthController } from './health.controller.ts';
import { HealthService } from './health.service.ts';

@Module({ controllers: [HealthController], providers: [HealthService] })
export class HealthModule {
  static forRoles(roles: Role[]): DynamicModule {
    return { module: HealthModule, imports: roles.includes('gateway') ? [SessionsModule] : [] };
  }
}
