import { type DynamicModule, Module, StandardSchemaValidationPipe } from '@nestjs/common';
import { APP_FILTER, APP_PIPE } from '@nestjs/core';
import { AuditModule } from './audit/audit.module.ts';
import { ConfigModule } from './config/config.module.ts';
import type { Config } from './config/config.ts';
import { DatabaseModule } from './database/database.module.ts';
import { HealthModule } from './health/health.module.ts';
import { HsmModule } from './hsm/hsm.module.ts';
import { ProblemFilter } from './http/problem.ts';
import { KeysModule } from './keys/keys.module.ts';
import { LoadsModule } from './loads/loads.module.ts';
import { OperatorsModule } from './operators/operators.module.ts';
import { ProfilesModule } from './profiles/profiles.module.ts';
import { QueueModule } from './queue/queue.module.ts';
import { SessionsModule } from './sessions/sessions.module.ts';
import { TerminalsModule } from './terminals/terminals.module.ts';

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
        OperatorsModule,
        KeysModule,
        ProfilesModule,
        TerminalsModule,
        LoadsModule,
        SessionsModule,
        AuditModule,
        HealthModule,
      ],
      providers: [
        { provide: APP_PIPE, useValue: new StandardSchemaValidationPipe() },
        { provide: APP_FILTER, useClass: ProblemFilter },
      ],
    };
  }
}
