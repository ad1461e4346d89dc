import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Database } from '../database/database.ts';
import { uuidParam } from '../http/parameters.ts';
import { Problem } from '../http/problem.ts';
import { CurrentOperator, ForAuditors } from '../operators/operator.guard.ts';
import type { Operator } from '../operators/operators.ts';
import { readCommittedNamesIn, withNames } from '../operators/person-names.ts';
import { ARCHIVE, type Archive } from './archive/archive.ts';
import { boundedRead } from './bounded-read.ts';
import { evidenceBundle } from './evidence.ts';
import { evidencePdf } from './evidence-pdf.ts';
import { LogIdentity } from './log/log-identity.ts';
import {
  type AttemptHistory,
  actorsIn,
  type ProvenEntry,
  readHistory,
  recordsIn,
  standaloneReceiptOf,
} from './receipts.ts';
import { qrSvg } from './receipts-qr.ts';
import { recordExport } from './recorded-export.ts';
import { type Evidence, evidenceSchema, type Transfer, transferSchema } from './transfers.schemas.ts';
import { readTransfers } from './transfers.service.ts';

/** One transfer, and what proves it. docs/auditing.md. */
@ApiTags('Transfer records')
@ApiBearerAuth()
@ForAuditors()
@Controller('api/v1/transfers/:attemptId')
export class ReceiptsController {
  constructor(
    private readonly database: Database,
    private readonly identity: LogIdentity,
    @Inject(ARCHIVE) private readonly archive: Archive | undefined,
  ) {}

  @Get()
  @ApiOkResponse({ standardSchema: transferSchema })
  async transfer(@Param('attemptId', { schema: uuidParam }) id: string): Promise<Transfer> {
    const [transfer] = await readTransfers(this.database, [id]);
    return transfer ?? unknown();
  }

  /** Of the last entry about this transfer: a C2SP tlog-proof whose `extra` is the leaf hash. */
  @Get('receipt')
  @ApiOkResponse({ description: '.tlog-proof' })
  @ApiProduces('text/plain')
  async receipt(
    @Param('attemptId', { schema: uuidParam }) id: string,
    @Res() response: Response,
  ): Promise<void> {
    const { history, last } = await this.proven(id);
    send(response, 'text/plain; charset=utf-8', `${id}.tlog-proof`, standaloneReceiptOf(history, last));
  }

  /** The receipt as a QR code. */
  @Get('receipt.svg')
  @ApiOkResponse({ description: 'QR code of the receipt' })
  @ApiProduces('image/svg+xml')
  async qr(@Param('attemptId', { schema: uuidParam }) id: string, @Res() response: Response): Promise<void> {
    const { history, last } = await this.proven(id);
    send(response, 'image/svg+xml', `${id}.svg`, qrSvg(standaloneReceiptOf(history, last)));
  }

  /**
   * Every entry about this transfer with its receipt: a bundle for `openkdh audit verify`, in a tar archive. With `names`, the names of
   * the people in it are there, as in the file `names` of a bundle.
   */
  @Get('evidence.tar')
  @ApiOkResponse({ description: 'A bundle of content `part`' })
  @ApiProduces('application/x-tar')
  async bundle(
    @Param('attemptId', { schema: uuidParam }) id: string,
    @Query({ schema: evidenceSchema }) { names }: Evidence,
    @CurrentOperator() by: Operator,
    @Res() response: Response,
  ): Promise<void> {
    const { history } = await this.proven(id);
    const people =
      names === 'true' ? await readCommittedNamesIn(this.database, recordsIn(history)) : undefined;
    const bundle = evidenceBundle(history, this.identity.verifierKeyText, people);
    await recordExport(this.database, by, { what: 'evidence', format: 'tar', attempt: id });
    send(response, 'application/x-tar', `${id}.tar`, bundle);
  }

  /** The same for people: to be printed, signed and filed. */
  @Get('evidence.pdf')
  @ApiOkResponse({ description: 'Evidence report, A4' })
  @ApiProduces('application/pdf')
  async report(
    @Param('attemptId', { schema: uuidParam }) id: string,
    @CurrentOperator() by: Operator,
    @Res() response: Response,
  ): Promise<void> {
    const { history, last, transfer } = await this.proven(id);
    const pdf = await evidencePdf({
      transfer,
      history,
      last,
      actors: await withNames(this.database, actorsIn(history)),
      verifierKeyText: this.identity.verifierKeyText,
    });
    await recordExport(this.database, by, { what: 'evidence', format: 'pdf', attempt: id });
    send(response, 'application/pdf', `${id}.pdf`, pdf);
  }

  private proven(id: string): Promise<{ history: AttemptHistory; last: ProvenEntry; transfer: Transfer }> {
    return boundedRead(this.database, async (sql) => {
      const [transfer] = await readTransfers(sql, [id]);
      if (!transfer) unknown();
      const history = await readHistory(sql, this.archive, id);
      if (!history) {
        throw new Problem(
          404,
          'RECEIPT_NOT_YET',
          'no checkpoint covers all of this transfer yet; try again in a second',
        );
      }
      const last = history.entries.at(-1) as ProvenEntry;
      return { history, last, transfer };
    });
  }
}

function send(response: Response, type: string, name: string, bytes: Buffer | string): void {
  response.type(type);
  response.setHeader('content-disposition', `attachment; filename="${name}"`);
  response.send(bytes);
}

function unknown(): never {
  throw new Problem(404, 'TRANSFER_UNKNOWN', 'no attempt has this id');
}
