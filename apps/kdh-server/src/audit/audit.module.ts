import { Module } from '@nestjs/common';
import { LogController } from './log/log.controller.ts';
import { LogModule } from './log/log.module.ts';
import { TransfersController } from './transfers.controller.ts';
import { TransfersService } from './transfers.service.ts';

@Module({
  imports: [LogModule],
  controllers: [TransfersController, LogController],
  providers: [TransfersService],
})
export class AuditModule {}
