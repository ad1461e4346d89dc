import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { OperatorGuard } from './operator.guard.ts';
import { Operators } from './operators.ts';
import { SignIns } from './sign-ins.ts';

/** Who is asking: on every node. */
@Module({
  providers: [Operators, SignIns, { provide: APP_GUARD, useClass: OperatorGuard }],
  exports: [Operators, SignIns],
})
export class OperatorsModule {}
