import { readFileSync } from 'node:fs';
import { Logger } from '@nestjs/common';
import { connectPayShield, type Hsm, type HsmLogEntry, parseHsmUrl } from '@openkdh/hsm-client';
import { type Config, ConfigError } from '../config/config.ts';
import { countCircuitOpened, measured } from './hsm-metrics.ts';

/** Injection token of the `Hsm`. */
export const HSM = Symbol('HSM');

/** The HSM named by the configuration: the soft HSM or a payShield, over a unix socket or TLS. */
export async function openHsm(config: Config): Promise<Hsm> {
  const logger = new Logger('Hsm');
  const hsm = await connectPayShield({
    endpoints: config.KDH_HSM_URL.split(',').map((url) => parseHsmUrl(url.trim())),
    tls: tlsOf(config),
    lmkId: config.KDH_HSM_LMK_ID,
    expectedLmkCheckValue: config.KDH_HSM_LMK_CHECK_VALUE,
    logger: (told: HsmLogEntry) => {
      countCircuitOpened(told);
      const { level, ...entry } = told;
      if (level === 'warn') logger.warn(entry);
      else logger.log(entry);
    },
  });
  return measured(hsm);
}

function tlsOf({ KDH_HSM_TLS_CERT: cert, KDH_HSM_TLS_KEY: key, KDH_HSM_TLS_CA: ca }: Config) {
  if (!cert && !key && !ca) return undefined;
  if (!cert || !key || !ca) {
    throw new ConfigError(
      'KDH_HSM_TLS_CERT, KDH_HSM_TLS_KEY and KDH_HSM_TLS_CA belong together: set all three',
    );
  }
  return { cert: readFileSync(cert), key: readFileSync(key), ca: readFileSync(ca) };
}
