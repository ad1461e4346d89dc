import { Module } from '@nestjs/common';
import { LogIdentity } from './log-identity.ts';

@Module({ providers: [LogIdentity], exports: [LogIdentity] })
export class LogModule {}
