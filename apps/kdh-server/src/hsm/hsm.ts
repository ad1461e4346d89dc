import { readFileSync, statSync } from 'node:fs';
import { Logger } from '@nestjs/common';
import {
  connectPayShield,
  type Hsm,
  type HsmCapability,
  type HsmLogEntry,
  parseHsmUrl,
  withSigningHsm,
} from '@openkdh/hsm-client';
import { type Config, ConfigError } from '../config/config.ts';
import { countCircuitOpened, measured } from './hsm-metrics.ts';

/** Injection token of the `Hsm`. */
export const HSM = Symbol('HSM');

/** What loading keys takes: a KDH without one of these would find out when a terminal waits. */
const needed: readonly HsmCapability[] = [
  'random',
  'generate-key',
  'check-value',
  'export-initial-key',
  'export-key',
  'generate-rsa-key-pair',
  'generate-tr34-key-pair',
  'generate-ec-key-pair',
  'sign',
  'export-tr34',
];

/**
 * The HSM that the configuration names, with another one for signatures if it names that too. Throws ConfigError when
 * they cannot do what a KDH needs.
 */
export async function openHsm(config: Config): Promise<Hsm> {
  const keys = await openAt(config.KDH_HSM_URL, config);
  const signing = config.KDH_SIGNING_HSM_URL;
  const hsm = signing === undefined ? keys : withSigningHsm(keys, await openAt(signing, config));
  const missing = needed.filter((capability) => !hsm.capabilities.has(capability));
  if (missing.length > 0) {
    await hsm.close();
    throw new ConfigError(
      `KDH_HSM_URL, KDH_SIGNING_HSM_URL: ${hsm.name} cannot do what a KDH needs: ${missing.join(', ')}`,
    );
  }
  return measured(hsm);
}

/** `aws:` and `pkcs11:` addresses, else payShield commands: the soft HSM or a payShield. Adapters are loaded when used. */
async function openAt(url: string, config: Config): Promise<Hsm> {
  if (url.startsWith('aws:')) {
    const { AwsHsm, parseAwsUrl } = await import('@openkdh/hsm-client/aws');
    return new AwsHsm(parseAwsUrl(url));
  }
  if (url.startsWith('pkcs11:')) {
    const { openPkcs11, parsePkcs11Uri } = await import('@openkdh/hsm-client/pkcs11');
    const { pinFile, ...token } = parsePkcs11Uri(url);
    return openPkcs11({ ...token, readPin: async () => readPin(pinFile) });
  }
  return openPayShield(url, config);
}

function openPayShield(urls: string, config: Config): Promise<Hsm> {
  const logger = new Logger('Hsm');
  return connectPayShield({
    endpoints: urls.split(',').map((url) => parseHsmUrl(url.trim())),
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
}

/** The PIN in a file that nobody else may read, without the line feed at its end. */
export function readPin(file: string): Uint8Array {
  if ((statSync(file).mode & 0o077) !== 0) {
    throw new ConfigError('pin-source of the PKCS#11 token: others may read it: chmod 400');
  }
  const content = readFileSync(file);
  const end = content.indexOf(0x0a);
  const pin = Uint8Array.from(end === -1 ? content : content.subarray(0, end));
  content.fill(0);
  return pin;
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
