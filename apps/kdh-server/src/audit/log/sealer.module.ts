import { Module } from '@nestjs/common';
import { Witnesses } from '../witnesses/witnesses.ts';
import { LogModule } from './log.module.ts';
import { Sealer } from './sealer.ts';

@Module({ imports: [LogModule], providers: [Sealer, Witnesses] })
export class SealerModule {}
