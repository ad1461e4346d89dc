export type { Issuer } from './authority.ts';
export {
  Certificate,
  type CertificateInput,
  certificatePem,
  deviceSerialOf,
  fingerprint,
  readCertificate,
} from './certificate.ts';
export {
  type CertificateCheck,
  type CertificateCheckOptions,
  type CertificateRefusal,
  checkCertificate,
} from './check.ts';
export {
  type Crl,
  type CrlRequest,
  issueCrl,
  type RevocationReason,
  type RevokedEntry,
  readCrl,
  revocationReasons,
} from './crl.ts';
export { PkiError, type PkiErrorCode } from './errors.ts';
export {
  type CertificateRequest,
  type IssuedProfileName,
  issueCertificate,
  issueRoot,
  type RootRequest,
} from './issue.ts';
export { createTlsKey, spkiFingerprint } from './keys.ts';
export { createLocalCa, type LocalCa, type TlsIdentity } from './local-ca.ts';
export { deviceUri } from './names.ts';
export {
  type CaProfile,
  type CertificateProfile,
  type CertificateProfileName,
  certificateProfiles,
  type LeafProfile,
} from './profiles.ts';
export { type KeyKind, type Purpose, type PurposeRow, purposes } from './purposes.ts';
export {
  type CertificationRequest,
  createCertificationRequest,
  readCertificationRequest,
} from './request.ts';
export { type CertificateSigner, localSigner } from './signer.ts';
