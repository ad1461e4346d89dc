import { isIP } from 'node:net';
import {
  AttributeTypeAndValue,
  AttributeValue,
  type Extension,
  GeneralName,
  id_ce_subjectAltName,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
} from '@peculiar/asn1-x509';
import { PkiError } from './errors.ts';
import { readExtension, subjectAltName } from './extensions.ts';

/** id-at-commonName, RFC 5280, A.1. */
const commonNameType = '2.5.4.3';
const deviceUriPrefix = 'urn:kdh:device:';
const deviceSerial = /^[A-Z0-9][A-Z0-9-]{0,31}$/;

/** The name that is the common name alone, as UTF8String (RFC 5280, 4.1.2.4). @throws PkiError PKI_NAME_REFUSED */
export function commonNameOnly(commonName: string): Name {
  if (!/^[\x20-\x7e]{1,64}$/.test(commonName)) {
    throw new PkiError('PKI_NAME_REFUSED', 'a common name of 1 to 64 printable ASCII characters expected');
  }
  const value = new AttributeValue({ utf8String: commonName });
  return new Name([
    new RelativeDistinguishedName([new AttributeTypeAndValue({ type: commonNameType, value })]),
  ]);
}

/** The common name of a name; undefined when it has none or several. */
export function commonNameOf(name: Name): string | undefined {
  const values = name.flatMap((rdn) => rdn.filter(({ type }) => type === commonNameType));
  return values.length === 1 ? values[0]!.value.toString() : undefined;
}

/** The URI that names a terminal in its certificates. @throws PkiError PKI_NAME_REFUSED for what is no serial number */
export function deviceUri(serial: string): string {
  if (!deviceSerial.test(serial)) {
    throw new PkiError('PKI_NAME_REFUSED', 'a serial number of 1 to 32 of A-Z, 0-9 and hyphen expected');
  }
  return deviceUriPrefix + serial;
}

/** Subject alternative name of a terminal. @throws PkiError PKI_NAME_REFUSED */
export function deviceName(serial: string): Extension {
  return subjectAltName([new GeneralName({ uniformResourceIdentifier: deviceUri(serial) })]);
}

/** Subject alternative name of a TLS server: DNS names and IP addresses. @throws PkiError PKI_NAME_REFUSED */
export function hostNames(hosts: readonly string[]): Extension {
  if (hosts.length === 0 || !hosts.every((host) => isIP(host) || /^[A-Za-z0-9*._-]{1,253}$/.test(host))) {
    throw new PkiError('PKI_NAME_REFUSED', 'one or more DNS names or IP addresses expected');
  }
  return subjectAltName(
    hosts.map((host) => new GeneralName(isIP(host) ? { iPAddress: host } : { dNSName: host })),
  );
}

/** Serial number of a terminal in its subject alternative name; undefined unless the one URI there is a terminal's. */
export function serialInNames(extensions: readonly Extension[] | undefined): string | undefined {
  const names = readExtension(extensions, id_ce_subjectAltName, SubjectAlternativeName) ?? [];
  const uris = names.flatMap(({ uniformResourceIdentifier }) => uniformResourceIdentifier ?? []);
  if (uris.length !== 1 || !uris[0]!.startsWith(deviceUriPrefix)) return undefined;
  const serial = uris[0]!.slice(deviceUriPrefix.length);
  return deviceSerial.test(serial) ? serial : undefined;
}
