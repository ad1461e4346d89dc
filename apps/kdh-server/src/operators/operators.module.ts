import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { OperatorGuard } from './operator.guard.ts';
import { Operators } from './operators.ts';

/** Who is asking: on every node. */
@Module({ providers: [Operators, { provide: APP_GUARD, useClass: OperatorGuard }], exports: [Operators] })
export class OperatorsModule {}
