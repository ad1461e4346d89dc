import { Global, Module } from '@nestjs/common';
import { CONFIG } from '../config/config.ts';
import { Database } from './database.ts';

@Global()
@Module({
  providers: [{ provide: Database, inject: [CONFIG], useFactory: Database.open }],
  exports: [Database],
})
export class DatabaseModule {}
