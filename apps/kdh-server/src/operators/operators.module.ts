import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { OperatorGuard } from './operator.guard.ts';
import { Operators } from './operators.ts';

@Module({ providers: [Operators, { provide: APP_GUARD, useClass: OperatorGuard }] })
export class OperatorsModule {}
