import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { type Config, ConfigError } from '../config/config.ts';
import { openHsm, readPin } from './hsm.ts';

describe('the HSM that the configuration names', () => {
  const open = (settings: Partial<Config>) => openHsm(settings as Config);

  test('AWS alone signs nothing but tokens: refused at the start, with what is missing', async () => {
    const error = await open({ KDH_HSM_URL: 'aws:us-east-1?krd-ca=alias/krd-ca' }).catch((reason) => reason);
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.message).toMatch(/: generate-rsa-key-pair, generate-ec-key-pair, sign$/);
  });

  test.each(['aws:us-east-1?secret=1234', 'pkcs11:token=t?module-path=/m&pin-value=1234', 'file:/hsm/1234'])(
    'an address that is none is refused without its words: %s',
    async (url) => {
      await expect(open({ KDH_HSM_URL: url })).rejects.toMatchObject({
        code: 'HSM_BAD_REQUEST',
        message: expect.not.stringContaining('1234'),
      });
    },
  );

  test('a PIN: without its line feed; refused when others may read it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pin-'));
    const file = join(folder, 'pin');
    try {
      await writeFile(file, '1234\n', { mode: 0o600 });
      expect(Buffer.from(readPin(file)).toString()).toBe('1234');
      await chmod(file, 0o640);
      expect(() => readPin(file)).toThrow(ConfigError);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
