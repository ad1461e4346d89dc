import { Module } from '@nestjs/common';
import { OperatorsController } from './operators.controller.ts';
import { OperatorsModule } from './operators.module.ts';

@Module({ imports: [OperatorsModule], controllers: [OperatorsController] })
export class OperatorsApiModule {}
