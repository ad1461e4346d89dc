import { Controller, Get, Inject, Ip, Param, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiProduces, ApiTags } from '@nestjs/swagger';
import {
  formatCommittedNames,
  parseTilePath,
  type Tile,
  TransparencyLogError,
} from '@openkdh/transparency-log';
import type { Response } from 'express';
import { Database } from '../../database/database.ts';
import { Problem } from '../../http/problem.ts';
import { CurrentOperator, ForAuditors } from '../../operators/operator.guard.ts';
import type { Operator } from '../../operators/operators.ts';
import { readCommittedNames } from '../../operators/person-names.ts';
import { SignIns } from '../../operators/sign-ins.ts';
import { ARCHIVE, type Archive } from '../archive/archive.ts';
import { readBundle } from '../archive/archived-entries.ts';
import { recordExport } from '../recorded-export.ts';
import { newestCheckpoint } from '../witnesses/cosignatures.ts';
import { LogIdentity } from './log-identity.ts';

/** A full tile never changes; clients may keep it for good. */
const FOREVER = 'private, max-age=31536000, immutable';

/** The log as C2SP tlog-tiles lays it out: checkpoint, tiles of hashes, bundles of entries. docs/audit-log.md. */
@ApiTags('Transparency log')
@ApiBearerAuth()
@ForAuditors()
@Controller('api/v1/log')
export class LogController {
  constructor(
    private readonly database: Database,
    private readonly identity: LogIdentity,
    private readonly signIns: SignIns,
    @Inject(ARCHIVE) private readonly archive: Archive | undefined,
  ) {}

  /** The verifier key: to be kept by the auditor, from the first day on. */
  @Get('key')
  @ApiOkResponse({ description: 'name+hash+base64, C2SP signed-note' })
  @ApiProduces('text/plain')
  key(@Res({ passthrough: true }) response: Response): string {
    response.type('text/plain');
    return `${this.identity.verifierKeyText}\n`;
  }

  /** The newest signed checkpoint, with the cosignatures that it has by now. */
  @Get('checkpoint')
  @ApiOkResponse({ description: 'C2SP tlog-checkpoint' })
  @ApiProduces('text/plain')
  async checkpoint(@Res({ passthrough: true }) response: Response): Promise<string> {
    const newest = await newestCheckpoint(this.database);
    if (!newest) throw new Problem(404, 'LOG_EMPTY', 'no checkpoint is signed yet; try again in a second');
    response.type('text/plain; charset=utf-8');
    return Buffer.from(newest.note).toString();
  }

  /** The names of people that are not erased, each with the salt that shows a commitment in the entries to be to it. */
  @Get('names')
  @ApiOkResponse({ description: 'JSON lines, as in the file `names` of a bundle' })
  @ApiProduces('application/x-ndjson')
  async names(
    @CurrentOperator() by: Operator,
    @Res({ passthrough: true }) response: Response,
  ): Promise<string> {
    await recordExport(this.database, by, { what: 'names' });
    response.type('application/x-ndjson');
    return formatCommittedNames(await readCommittedNames(this.database));
  }

  /** `tile/<level>/<index>[.p/<width>]` and `tile/entries/<index>[.p/<width>]`. */
  @Get('tile/*path')
  @ApiOkResponse({ description: 'hashes of 32 bytes, or entries with a length of 2 bytes each' })
  @ApiProduces('application/octet-stream')
  async tile(
    @Param('path') path: string | string[],
    @CurrentOperator() by: Operator,
    @Ip() address: string,
    @Res() response: Response,
  ): Promise<void> {
    const tile = readTilePath(`tile/${Array.isArray(path) ? path.join('/') : path}`);
    if (tile.level === 'entries') await this.signIns.noteLogRead(by, address);
    const bytes = tile.level === 'entries' ? await this.entries(tile) : await this.hashes(tile);
    if (!bytes) throw new Problem(404, 'LOG_TILE', 'the log has no such tile yet');
    if (tile.width === 256) response.setHeader('cache-control', FOREVER);
    response.type('application/octet-stream').send(bytes);
  }

  private async hashes({ level, index, width }: Tile): Promise<Buffer | undefined> {
    const [stored] = await this.database.query<{ bytes: Buffer }>(
      'select bytes from log_tile where level = $1 and tile_index = $2',
      [level, index],
    );
    if (!stored || stored.bytes.length < width * 32) return undefined;
    return stored.bytes.subarray(0, width * 32);
  }

  private async entries({ index, width }: Tile): Promise<Buffer | undefined> {
    // Fewer than the log has had is answered as it is: that some are gone is for the auditor to see, which and how many.
    const bundle = await readBundle(this.database, this.archive, { index, width });
    return bundle && Buffer.from(bundle);
  }
}

function readTilePath(path: string): Tile {
  try {
    return parseTilePath(path);
  } catch (error) {
    if (error instanceof TransparencyLogError) throw new Problem(400, 'LOG_TILE_PATH', error.message);
    throw error;
  }
}
