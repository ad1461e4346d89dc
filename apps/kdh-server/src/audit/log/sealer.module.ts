import { Module } from '@nestjs/common';
import { Witnesses } from '../witnesses/witnesses.ts';
import { HsmAnchors } from './hsm-anchors.ts';
import { LogModule } from './log.module.ts';
import { Sealer } from './sealer.ts';

@Module({ imports: [LogModule], providers: [Sealer, HsmAnchors, Witnesses] })
export class SealerModule {}
