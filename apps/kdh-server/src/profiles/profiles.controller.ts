import { Body, Controller, Get, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiCreatedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { CurrentOperator } from '../operators/operator.guard.ts';
import type { Operator } from '../operators/operators.ts';
import { type CreateProfile, createProfileSchema, type Profile, profileSchema } from './profiles.schemas.ts';
import { ProfilesService } from './profiles.service.ts';

@ApiTags('Key profiles')
@ApiBearerAuth()
@Controller('api/v1/profiles')
export class ProfilesController {
  constructor(private readonly profiles: ProfilesService) {}

  @Post()
  @ApiCreatedResponse({ standardSchema: profileSchema })
  create(
    @Body({ schema: createProfileSchema }) body: CreateProfile,
    @CurrentOperator() by: Operator,
  ): Promise<Profile> {
    return this.profiles.create(body, by);
  }

  @Get()
  @ApiOkResponse({ standardSchema: z.array(profileSchema) })
  list(): Promise<Profile[]> {
    return this.profiles.list();
  }
}
