import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AuthorityKeyIdentifier,
  BasicConstraints,
  CRLNumber,
  CRLReason,
  ExtendedKeyUsage,
  Extension,
  type GeneralName,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_cRLNumber,
  id_ce_cRLReasons,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  KeyIdentifier,
  KeyUsage,
  type KeyUsageFlags,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
} from '@peculiar/asn1-x509';
import { parseDer } from './der.ts';

// RFC 5280, 4.2.1 and 5.2: one function per extension that OpenKDH writes.

export function basicConstraints(cA: boolean, pathLenConstraint?: number): Extension {
  return extension(id_ce_basicConstraints, true, new BasicConstraints({ cA, pathLenConstraint }));
}

export function keyUsage(flags: KeyUsageFlags): Extension {
  return extension(id_ce_keyUsage, true, new KeyUsage(flags));
}

export function extendedKeyUsage(oid: string): Extension {
  return extension(id_ce_extKeyUsage, false, new ExtendedKeyUsage([oid]));
}

export function subjectAltName(names: GeneralName[]): Extension {
  return extension(id_ce_subjectAltName, false, new SubjectAlternativeName(names));
}

export function subjectKeyIdentifier(keyId: Uint8Array): Extension {
  return extension(id_ce_subjectKeyIdentifier, false, new SubjectKeyIdentifier(keyId));
}

export function authorityKeyIdentifier(keyId: Uint8Array): Extension {
  const value = new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(keyId) });
  return extension(id_ce_authorityKeyIdentifier, false, value);
}

export function crlNumber(number: number): Extension {
  return extension(id_ce_cRLNumber, false, new CRLNumber(number));
}

export function crlReason(reason: number): Extension {
  return extension(id_ce_cRLReasons, false, new CRLReason(reason));
}

function extension(extnID: string, critical: boolean, value: unknown): Extension {
  return new Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
}

/** The value of an extension; undefined when it is absent. @throws PkiError PKI_MALFORMED */
export function readExtension<T>(
  extensions: readonly Extension[] | undefined,
  extnID: string,
  type: new () => T,
): T | undefined {
  const found = extensions?.find((candidate) => candidate.extnID === extnID);
  return found && parseDer(new Uint8Array(found.extnValue.buffer), type, `a value of extension ${extnID}`);
}
