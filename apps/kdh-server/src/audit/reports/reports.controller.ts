import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { CONFIG, type Config } from '../../config/config.ts';
import { Database, type Sql } from '../../database/database.ts';
import { CurrentOperator, ForAuditors } from '../../operators/operator.guard.ts';
import type { Operator } from '../../operators/operators.ts';
import { boundedRead } from '../bounded-read.ts';
import { recordExport } from '../recorded-export.ts';
import { approvals } from './approvals.ts';
import { destruction } from './destruction.ts';
import { keyInventory } from './key-inventory.ts';
import { type Report, reportCsv, reportPdf, type Span } from './report.ts';
import {
  type ReadReport,
  type ReportName,
  readReportSchema,
  reportNameSchema,
  reportSchema,
} from './reports.schemas.ts';
import { retention } from './retention.ts';
import { uniqueness } from './uniqueness.ts';

/** A report reads all of its span; a search a page. */
const TIMEOUT_MILLISECONDS = 60_000;

const reports: Record<
  ReportName,
  (sql: Pick<Sql, 'query'>, span: Span, config: Config) => Promise<Omit<Report, 'span' | 'madeAt'>>
> = {
  uniqueness,
  approvals,
  'key-inventory': keyInventory,
  destruction,
  retention: (sql, _, { KDH_RETENTION_DAYS }) => retention(sql, KDH_RETENTION_DAYS),
};

/** What auditors ask for again and again, over a span of time. docs/auditing.md. */
@ApiTags('Reports')
@ApiBearerAuth()
@ForAuditors()
@Controller('api/v1/reports')
export class ReportsController {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly database: Database,
  ) {}

  @Get(':name')
  @ApiOkResponse({ standardSchema: reportSchema })
  @ApiProduces('application/json', 'text/csv', 'application/pdf')
  async report(
    @Param('name', { schema: reportNameSchema }) name: ReportName,
    @Query({ schema: readReportSchema }) { format, ...span }: ReadReport,
    @CurrentOperator() by: Operator,
    @Res() response: Response,
  ): Promise<void> {
    const report = await this.read(name, span);
    await recordExport(this.database, by, { what: 'report', report: name, format, ...span });
    if (format === 'json') return void response.json(report);
    response.setHeader('content-disposition', `attachment; filename="${name}.${format}"`);
    if (format === 'csv') response.type('text/csv; charset=utf-8').send(reportCsv(report));
    else response.type('application/pdf').send(await reportPdf(report));
  }

  private read(name: ReportName, span: Span): Promise<Report> {
    return boundedRead(
      this.database,
      async (sql) => {
        const [{ now }] = (await sql.query('select now()')) as [{ now: Date }];
        return { ...(await reports[name](sql, span, this.config)), span, madeAt: now.toISOString() };
      },
      TIMEOUT_MILLISECONDS,
    );
  }
}
