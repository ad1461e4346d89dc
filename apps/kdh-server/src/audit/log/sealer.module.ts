import { Module } from '@nestjs/common';
import { LogModule } from './log.module.ts';
import { Sealer } from './sealer.ts';

@Module({ imports: [LogModule], providers: [Sealer] })
export class SealerModule {}
