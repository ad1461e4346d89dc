import { Module } from '@nestjs/common';
import { ArchiveModule } from './archive/archive.module.ts';
import { EventsController } from './events.controller.ts';
import { EventsService } from './events.service.ts';
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
  imports: [LogModule, ArchiveModule],
  controllers: [
    TransfersController,
    EventsController,
    ReceiptsController,
    ReportsController,
    SavedSearchesController,
    LogController,
    WitnessesController,
  ],
  providers: [TransfersService, EventsService, SavedSearchesService],
})
export class AuditModule {}
