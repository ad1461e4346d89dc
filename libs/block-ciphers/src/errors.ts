export type BlockCipherErrorCode =
  | 'BLOCK_CIPHER_KEY_LENGTH'
  | 'BLOCK_CIPHER_DATA_LENGTH'
  | 'BLOCK_CIPHER_IV_LENGTH'
  | 'BLOCK_CIPHER_CHECK_VALUE_LENGTH'
  | 'BLOCK_CIPHER_WIPED';

/** The only error of this package. The message names lengths, never bytes. */
export class BlockCipherError extends Error {
  override readonly name = 'BlockCipherError';
  readonly code: BlockCipherErrorCode;

  constructor(code: BlockCipherErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
