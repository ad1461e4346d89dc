import { Controller, Get, Ip, Param, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { z } from 'zod';
import { Database } from '../../database/database.ts';
import { Problem } from '../../http/problem.ts';
import { CurrentOperator, ForAuditors } from '../../operators/operator.guard.ts';
import type { Operator } from '../../operators/operators.ts';
import { SignIns } from '../../operators/sign-ins.ts';

const copiedLogSchema = z
  .object({
    hsm: z.string().describe('Serial number'),
    records: z.number().int().describe('How many records of its own log are here, from 1 on'),
  })
  .meta({ id: 'CopiedHsmLog' });
const serialParam = z.string().min(1).max(64);
const seqParam = z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER);

/** The logs of the HSMs themselves, as hsm-log-copy.ts has copied them. */
@ApiTags('Transparency log')
@ApiBearerAuth()
@ForAuditors()
@Controller('api/v1/log/hsm')
export class HsmLogController {
  constructor(
    private readonly database: Database,
    private readonly signIns: SignIns,
  ) {}

  @Get()
  @ApiOkResponse({ standardSchema: z.array(copiedLogSchema) })
  list(): Promise<z.infer<typeof copiedLogSchema>[]> {
    return this.database.query(
      'select hsm, max(last)::float8 as records from hsm_log_part group by hsm order by hsm',
    );
  }

  /** Records from number `first` on, as many as were copied at a time; `LOG_HSM_RECORDS` at the end. */
  @Get(':hsm/:first')
  @ApiOkResponse({ description: 'A line for each record, as the HSM wrote it: its hash is over these bytes' })
  @ApiProduces('application/x-ndjson')
  async records(
    @Param('hsm', { schema: serialParam }) hsm: string,
    @Param('first', { schema: seqParam }) first: number,
    @CurrentOperator() by: Operator,
    @Ip() address: string,
    @Res({ passthrough: true }) response: Response,
  ): Promise<string> {
    await this.signIns.noteLogRead(by, address);
    const [part] = await this.database.query<{ records: string }>(
      'select records from hsm_log_part where hsm = $1 and first = $2',
      [hsm, first],
    );
    if (!part)
      throw new Problem(404, 'LOG_HSM_RECORDS', 'no records of this HSM were copied from this number on');
    response.type('application/x-ndjson');
    return part.records;
  }
}
