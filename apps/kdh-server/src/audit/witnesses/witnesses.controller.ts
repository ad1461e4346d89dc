import { Controller, Get, Inject, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { CONFIG, type Config } from '../../config/config.ts';
import { Database } from '../../database/database.ts';
import { Problem } from '../../http/problem.ts';
import { ForAuditors } from '../../operators/operator.guard.ts';
import { finalCheckpoint, finalSize } from './cosignatures.ts';
import type { WitnessState } from './verdict.ts';
import { type WitnessesDocument, witnessesSchema } from './witnesses.schemas.ts';

/** What witnesses say of the log. docs/audit-log.md, "Witnesses". */
@ApiTags('Transparency log')
@ApiBearerAuth()
@ForAuditors()
@Controller('api/v1/log')
export class WitnessesController {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly database: Database,
  ) {}

  /** The newest checkpoint that is final: cosigned by as many witnesses as are configured. */
  @Get('final-checkpoint')
  @ApiOkResponse({ description: 'C2SP tlog-checkpoint with cosignatures' })
  @ApiProduces('text/plain')
  async finalCheckpoint(@Res({ passthrough: true }) response: Response): Promise<string> {
    const final = await finalCheckpoint(this.database, this.keys, this.config.KDH_WITNESS_QUORUM);
    if (!final) {
      throw new Problem(404, 'LOG_NOT_FINAL', 'no checkpoint has the cosignatures of enough witnesses');
    }
    response.type('text/plain; charset=utf-8');
    return Buffer.from(final.note).toString();
  }

  /** How each witness stands to this log, and how far its checkpoints are final. */
  @Get('witnesses')
  @ApiOkResponse({ standardSchema: witnessesSchema })
  async witnesses(): Promise<WitnessesDocument> {
    const { KDH_WITNESSES: configured, KDH_WITNESS_QUORUM: quorum } = this.config;
    const [[newest], final, standings] = await Promise.all([
      this.database.query<{ size: bigint }>('select size from log_checkpoint order by size desc limit 1'),
      finalSize(this.database, this.keys, quorum),
      this.readStandings(),
    ]);
    return {
      size: newest ? Number(newest.size) : null,
      finalSize: final === undefined ? null : Number(final),
      quorum,
      witnesses: configured.map(({ key, keyText, url }) => {
        const found = standings.get(keyText);
        return {
          name: key.name,
          key: keyText,
          url: url.href,
          state: found?.state ?? null,
          detail: found?.detail ?? '',
          since: found?.since?.toISOString() ?? null,
          size: Number(found?.size ?? 0n),
          cosignedAt: found?.cosignedAt?.toISOString() ?? null,
        };
      }),
    };
  }

  private async readStandings() {
    const rows = await this.database.query<{
      witness: string;
      state: WitnessState | null;
      detail: string | null;
      since: Date | null;
      size: bigint | null;
      cosignedAt: Date | null;
    }>(
      `select w.witness, s.state, s.detail, s.since, c.size, c.cosigned_at as "cosignedAt"
       from unnest($1::text[]) as w(witness)
       left join log_witness s on s.witness = w.witness
       left join lateral (
         select size, cosigned_at from log_cosignature where witness = w.witness order by size desc limit 1
       ) c on true`,
      [this.keys],
    );
    return new Map(rows.map((row) => [row.witness, row]));
  }

  private get keys(): string[] {
    return this.config.KDH_WITNESSES.map(({ keyText }) => keyText);
  }
}
