import { Module } from '@nestjs/common';
import { CONFIG, type Config } from '../../config/config.ts';
import { ARCHIVE, type Archive, openArchive } from './archive.ts';

@Module({
  providers: [
    {
      provide: ARCHIVE,
      useFactory: ({ KDH_LOG_ARCHIVE }: Config): Archive | undefined =>
        KDH_LOG_ARCHIVE === undefined ? undefined : openArchive(KDH_LOG_ARCHIVE),
      inject: [CONFIG],
    },
  ],
  exports: [ARCHIVE],
})
export class ArchiveModule {}
