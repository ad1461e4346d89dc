import { Module } from '@nestjs/common';
import { LogController } from './log/log.controller.ts';
import { LogIdentity } from './log/log-identity.ts';
import { Sealer } from './log/sealer.ts';
import { TransfersController } from './transfers.controller.ts';
import { TransfersService } from './transfers.service.ts';

@Module({
  controllers: [TransfersController, LogController],
  providers: [TransfersService, LogIdentity, Sealer],
})
export class AuditModule {}
