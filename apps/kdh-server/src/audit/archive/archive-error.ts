/**
 * - `ARCHIVE_AWAY`: it cannot be reached, or refuses
 * - `ARCHIVE_DIFFERS`: what it gives is not what the log has
 * - `LOG_DIFFERS`: entries in the database are not those of the log's own hashes: somebody changed one or the other
 */
export type ArchiveErrorCode = 'ARCHIVE_AWAY' | 'ARCHIVE_DIFFERS' | 'LOG_DIFFERS';

export class ArchiveError extends Error {
  readonly code: ArchiveErrorCode;
  constructor(code: ArchiveErrorCode, message: string) {
    super(message);
    this.name = 'ArchiveError';
    this.code = code;
  }
}
