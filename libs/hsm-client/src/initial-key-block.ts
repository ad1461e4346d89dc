import { HsmError } from './errors.ts';
import type { ExportInitialKeyRequest } from './hsm.ts';

/**
 * Refuses with HSM_BAD_ANSWER an exported initial key whose header does not say what was asked for; otherwise only the
 * terminal would find out.
 */
export function requireInitialKeyHeader(keyBlock: string, request: ExportInitialKeyRequest): void {
  const { versionId, algorithm, exportability } = request;
  // Version[1] length[4] usage[2] algorithm[1] mode of use[1] key version[2] exportability[1]: X9.143:2021, table 1.
  const expected = `${versionId}${keyBlock.slice(1, 5)}B1${algorithm.charAt(0)}X00${exportability}`;
  if (!keyBlock.startsWith(expected)) {
    throw new HsmError(
      'HSM_BAD_ANSWER',
      'exported initial key: expected a header with the attributes asked for',
      {
        mayHaveExecuted: true,
      },
    );
  }
}
