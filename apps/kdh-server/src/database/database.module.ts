import { Global, Module } from '@nestjs/common';
import { CONFIG } from '../config/config.ts';
import { Database } from './database.ts';
import { SignalListener } from './signals.ts';

@Global()
@Module({
  providers: [{ provide: Database, inject: [CONFIG], useFactory: Database.open }, SignalListener],
  exports: [Database, SignalListener],
})
export class DatabaseModule {}
