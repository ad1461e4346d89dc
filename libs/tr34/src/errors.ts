/**
 * Why a token was refused or could not be made. The codes are stable; the message says what was expected and what
 * came, by kind and length, never key bytes.
 */
export type Tr34ErrorCode =
  /** Not DER, or not the structure that the clause gives. */
  | 'TR34_MALFORMED'
  /** A form of encoding that the dialect does not have. */
  | 'TR34_DIALECT'
  /** An algorithm other than the ones of TR-34: SHA-256, RSA PKCS#1 v1.5, RSAES-OAEP, AES-128-CBC, TDES-CBC. */
  | 'TR34_ALGORITHM_UNSUPPORTED'
  /** A nonce that is not 8 to 16 bytes long. */
  | 'TR34_NONCE_LENGTH'
  /** A key block header that is no printable text of at least 16 characters. */
  | 'TR34_HEADER_INVALID'
  /** A key whose length does not fit the algorithm in its header. */
  | 'TR34_KEY_LENGTH'
  /** The signature or the digest that it covers does not verify. */
  | 'TR34_SIGNATURE_INVALID'
  /** Signed by someone other than the bound KDH, or than the CA of the KRDs. */
  | 'TR34_SIGNER_UNKNOWN'
  /** Made for another KRD. */
  | 'TR34_RECIPIENT_OTHER'
  /** An unbind or rebind that names another KRD or another KDH. */
  | 'TR34_IDENTIFIER_OTHER'
  /** No nonce, or not the outstanding one, or one already used. */
  | 'TR34_NONCE_REFUSED'
  /** One-pass: no signing time, or one outside the window. */
  | 'TR34_TIME_REFUSED'
  /** The header inside the envelope is not the header that was signed. */
  | 'TR34_HEADER_MISMATCH'
  /** The key block inside names a KDH that is not the signer. */
  | 'TR34_KEY_BLOCK_SIGNER'
  /** RSA, cipher, padding or contents of the envelope failed; deliberately not told apart. */
  | 'TR34_UNWRAP_FAILED'
  /** No path from the certificate to a trust anchor. */
  | 'TR34_CERTIFICATE_UNTRUSTED'
  /** A certificate of the path outside its validity. */
  | 'TR34_CERTIFICATE_EXPIRED'
  /** A certificate whose purpose is another role. */
  | 'TR34_CERTIFICATE_ROLE'
  /** A key that is not RSA of 2048 to 4096 bits. */
  | 'TR34_CERTIFICATE_KEY'
  /** The serial is in the CRL. */
  | 'TR34_CERTIFICATE_REVOKED'
  /** A CRL is required and there is none of this issuer. */
  | 'TR34_CRL_ABSENT'
  /** A CRL that its issuer did not sign, or that has an unknown critical extension. */
  | 'TR34_CRL_INVALID'
  /** A CRL past its nextUpdate, without one, or of the future. */
  | 'TR34_CRL_STALE'
  /** A CRL older than one seen before. */
  | 'TR34_CRL_OLDER';

/** The one error that this package throws. */
export class Tr34Error extends Error {
  override readonly name = 'Tr34Error';
  readonly code: Tr34ErrorCode;

  constructor(code: Tr34ErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
