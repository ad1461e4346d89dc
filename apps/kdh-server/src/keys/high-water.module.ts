import { Module } from '@nestjs/common';
import { CONFIG } from '../config/config.ts';
import { Database } from '../database/database.ts';
import { HSM } from '../hsm/hsm.ts';
import { HighWaterGuard } from './high-water-guard.ts';

@Module({
  providers: [{ provide: HighWaterGuard, inject: [CONFIG, Database, HSM], useFactory: HighWaterGuard.open }],
})
export class HighWaterModule {}
