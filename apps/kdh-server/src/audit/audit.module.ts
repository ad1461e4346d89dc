import { Module } from '@nestjs/common';
import { OperatorsModule } from '../operators/operators.module.ts';
import { ArchiveModule } from './archive/archive.module.ts';
import { EventsController } from './events.controller.ts';
import { EventsService } from './events.service.ts';
import { HsmLogController } from './hsm-log/hsm-log.controller.ts';
import { LogController } from './log/log.controller.ts';
import { LogModule } from './log/log.module.ts';
import { ReceiptsController } from './receipts.controller.ts';
import { ReportsController } from './reports/reports.controller.ts';
import { SavedSearchesController } from './saved-searches.controller.ts';
import { SavedSearchesService } from './saved-searches.service.ts';
import { TransfersController } from './transfers.controller.ts';
import { TransfersService } from './transfers.service.ts';
import { WitnessesController } from './witnesses/witnesses.controller.ts';

@Module({
  imports: [LogModule, ArchiveModule, OperatorsModule],
  controllers: [
    TransfersController,
    EventsController,
    ReceiptsController,
    ReportsController,
    SavedSearchesController,
    LogController,
    HsmLogController,
    WitnessesController,
  ],
  providers: [TransfersService, EventsService, SavedSearchesService],
})
export class AuditModule {}
