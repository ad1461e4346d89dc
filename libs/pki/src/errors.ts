export type PkiErrorCode =
  | 'PKI_MALFORMED'
  | 'PKI_KEY_REFUSED'
  | 'PKI_REQUEST_SIGNATURE'
  | 'PKI_REQUEST_NAME'
  | 'PKI_NAME_REFUSED'
  | 'PKI_ISSUER_REFUSED'
  | 'PKI_SIGNER_FAILED';

/** The only error of this package. The message says what was expected and what came, by kind and length. */
export class PkiError extends Error {
  override readonly name = 'PkiError';
  readonly code: PkiErrorCode;

  constructor(code: PkiErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
