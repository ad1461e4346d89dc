import { type DynamicModule, Module, StandardSchemaValidationPipe, type Type } from '@nestjs/common';
import { APP_FILTER, APP_PIPE } from '@nestjs/core';
import { AuditModule } from './audit/audit.module.ts';
import { SealerModule } from './audit/log/sealer.module.ts';
import { NodeHistory } from './audit/node-history.ts';
import { ConfigModule } from './config/config.module.ts';
import type { Config, Role } from './config/config.ts';
import { DatabaseModule } from './database/database.module.ts';
import { HealthModule } from './health/health.module.ts';
import { HsmModule } from './hsm/hsm.module.ts';
import { ProblemFilter } from './http/problem.ts';
import { IncidentsModule } from './incidents/incidents.module.ts';
import { HighWaterModule } from './keys/high-water.module.ts';
import { KeysModule } from './keys/keys.module.ts';
import { DerivationModule } from './loads/derivation.module.ts';
import { LoadsModule } from './loads/loads.module.ts';
import { MetricsModule } from './metrics/metrics.module.ts';
import { OperatorsModule } from './operators/operators.module.ts';
import { OperatorsApiModule } from './operators/operators-api.module.ts';
import { ProfilesModule } from './profiles/profiles.module.ts';
import { QueueModule } from './queue/queue.module.ts';
import { SessionsModule } from './sessions/sessions.module.ts';
import { TerminalsModule } from './terminals/terminals.module.ts';

/** What a role adds to what every node has. A node with several roles, or all, is the sum of them. */
const modulesOf: Record<Role, Type[]> = {
  api: [
    OperatorsApiModule,
    KeysModule,
    ProfilesModule,
    TerminalsModule,
    LoadsModule,
    IncidentsModule,
    AuditModule,
  ],
  gateway: [SessionsModule],
  worker: [DerivationModule],
  sealer: [SealerModule],
};

@Module({})
export class AppModule {
  static forRoot(config: Config): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ConfigModule.forRoot(config),
        DatabaseModule,
        QueueModule,
        HsmModule,
        HighWaterModule,
        OperatorsModule,
        ...config.KDH_ROLES.flatMap((role) => modulesOf[role]),
        MetricsModule,
        HealthModule.forRoles(config.KDH_ROLES),
      ],
      providers: [
        NodeHistory,
        { provide: APP_PIPE, useValue: new StandardSchemaValidationPipe() },
        { provide: APP_FILTER, useClass: ProblemFilter },
      ],
    };
  }
}
