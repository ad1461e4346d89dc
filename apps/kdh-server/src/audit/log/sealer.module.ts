import { Module } from '@nestjs/common';
import { ArchiveModule } from '../archive/archive.module.ts';
import { Archiver } from '../archive/archiver.ts';
import { HsmLogCopy } from '../hsm-log/hsm-log-copy.ts';
import { Witnesses } from '../witnesses/witnesses.ts';
import { HsmAnchors } from './hsm-anchors.ts';
import { LogModule } from './log.module.ts';
import { Sealer } from './sealer.ts';

@Module({
  imports: [LogModule, ArchiveModule],
  providers: [Sealer, HsmLogCopy, HsmAnchors, Witnesses, Archiver],
})
export class SealerModule {}
