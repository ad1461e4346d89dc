/**
 * AES and TDES single blocks, the modes and MACs that key blocks and DUKPT are made of, check values, wiping.
 *
 * Side channels. The default engine `table` looks up tables by secret bytes, as every fast AES or DES in plain
 * JavaScript does: whoever shares the CPU with this process can learn the key from cache timing. It is there because
 * key blocks and DUKPT change the key all the time, and setting up a key in node:crypto costs more than all blocks
 * under it. Use it in tests, simulators and benches, and where nobody else runs on the machine.
 * The engine `openssl` calls node:crypto: for AES that is AES-NI, whose time depends on neither key nor data; choose
 * it where a host serves several tenants and where the key is kept. OpenSSL's DES works with tables too, so for
 * TDES it buys no such safety. Neither engine makes this package fit for production HSM duty.
 *
 * Memory. Keys are copied into buffers that `wipe` fills with zeros; a garbage collector may have moved them before.
 */
export { aes, aes128EncryptOnce } from './aes.ts';
export type { BlockCipher, CipherEngine } from './block-cipher.ts';
export { equalConstantTime, wipe, xor } from './bytes.ts';
export { kcvAes, kcvTdes } from './check-value.ts';
export { des, desEncryptOnce, tdes } from './des.ts';
export { BlockCipherError, type BlockCipherErrorCode } from './errors.ts';
export { type Cmac, cbcMac, cmac, cmacOf, retailMac } from './mac.ts';
export { cbcDecrypt, cbcEncrypt, ctr, ecbDecrypt, ecbEncrypt } from './modes.ts';
