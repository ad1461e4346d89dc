import { Module } from '@nestjs/common';
import { BdksController } from './bdks.controller.ts';
import { BdksService } from './bdks.service.ts';

@Module({ controllers: [BdksController], providers: [BdksService] })
export class KeysModule {}
