import * as z from 'zod';
import { derToken, sha256 } from './fields.ts';

/** CT_KRD: the terminal's TR-34 credential token. */
export const bindRequest = z.object({ token: derToken });
export type BindRequest = z.infer<typeof bindRequest>;

/** CT_KDH: the KDH's TR-34 credential token, with the CRL of its CA. */
export const bindChallenge = z.object({ token: derToken });
export type BindChallenge = z.infer<typeof bindChallenge>;

/** RT_KRD: the terminal's nonce for two-pass key transport. */
export const random = z.object({ token: derToken });
export type RandomToken = z.infer<typeof random>;

/** The KDH has committed the binding; the terminal stores it. Fingerprints are SHA-256 of the certificates' DER. */
export const bind = z.object({ kdhCertificateFingerprint: sha256, krdCertificateFingerprint: sha256 });
export type Bind = z.infer<typeof bind>;
