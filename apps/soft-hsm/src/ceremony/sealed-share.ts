import { createCipheriv, createDecipheriv } from 'node:crypto';
import { wipe } from '@openkdh/block-ciphers';
import { SoftHsmError } from '../errors.ts';
import { nonceBytes, saltBytes } from '../lmk/sealed-lmk.ts';
import type { Random } from '../random/random-source.ts';
import type { Share } from './shamir.ts';

const tagBytes = 16;

/** Makes a 32-byte key of a passphrase and a salt, slowly on purpose. */
export type Stretch = (passphrase: Uint8Array, salt: Uint8Array) => Promise<Buffer>;

/** One custodian's share of the sealing key, under a passphrase that only this custodian knows. Bytes as hex. */
export interface SealedShare {
  custodian: string;
  setId: string;
  threshold: number;
  x: number;
  salt: string;
  nonce: string;
  /** AES-256-GCM of the share, then the 16-byte tag; custodian, set, threshold and x are authenticated. */
  sealed: string;
}

export async function sealShare(
  share: Share,
  custodian: string,
  passphrase: Uint8Array,
  random: Random,
  stretch: Stretch,
): Promise<SealedShare> {
  const { setId, threshold, x, y } = share;
  const [salt, nonce] = [random(saltBytes), random(nonceBytes)];
  const key = await stretch(passphrase, salt);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(label({ custodian, setId, threshold, x }));
  const sealed = Buffer.concat([cipher.update(y), cipher.final(), cipher.getAuthTag()]);
  wipe(key);
  return { custodian, setId, threshold, x, salt: hex(salt), nonce: hex(nonce), sealed: hex(sealed) };
}

/** The share, which the caller wipes. Throws SOFT_HSM_SEAL for a wrong passphrase and for a changed share alike. */
export async function openShare(
  sealedShare: SealedShare,
  passphrase: Uint8Array,
  stretch: Stretch,
): Promise<Share> {
  const { setId, threshold, x } = sealedShare;
  const key = await stretch(passphrase, Buffer.from(sealedShare.salt, 'hex'));
  const sealed = Buffer.from(sealedShare.sealed, 'hex');
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(sealedShare.nonce, 'hex'));
  wipe(key);
  decipher.setAAD(label(sealedShare));
  decipher.setAuthTag(sealed.subarray(-tagBytes));
  const y = decipher.update(sealed.subarray(0, -tagBytes));
  try {
    decipher.final();
  } catch {
    wipe(y);
    throw new SoftHsmError('SOFT_HSM_SEAL', 'the share does not open: wrong passphrase or changed share');
  }
  return { setId, threshold, x, y };
}

function label({
  custodian,
  setId,
  threshold,
  x,
}: Pick<SealedShare, 'custodian' | 'setId' | 'threshold' | 'x'>) {
  return Buffer.from(`share of the sealing key\n${custodian}\n${setId}\n${threshold}\n${x}\n`);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').toUpperCase();
}
