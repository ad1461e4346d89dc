import { isIP } from 'node:net';
import { PkiError } from './errors.ts';
import { Name, SubjectAlternativeNameExtension } from './x509.ts';

const deviceUriPrefix = 'urn:kdh:device:';
const deviceSerial = /^[A-Z0-9][A-Z0-9-]{0,31}$/;

/** The name that is the common name alone, as UTF8String (RFC 5280, 4.1.2.4). @throws PkiError PKI_NAME_REFUSED */
export function commonNameOnly(commonName: string): Name {
  if (!/^[\x20-\x7e]{1,64}$/.test(commonName)) {
    throw new PkiError('PKI_NAME_REFUSED', 'a common name of 1 to 64 printable ASCII characters expected');
  }
  return new Name([{ CN: [{ utf8String: commonName }] }]);
}

/** The URI that names a terminal in its certificates. @throws PkiError PKI_NAME_REFUSED for what is no serial number */
export function deviceUri(serial: string): string {
  if (!deviceSerial.test(serial)) {
    throw new PkiError('PKI_NAME_REFUSED', 'a serial number of 1 to 32 of A-Z, 0-9 and hyphen expected');
  }
  return deviceUriPrefix + serial;
}

/** Subject alternative name of a terminal. @throws PkiError PKI_NAME_REFUSED */
export function deviceName(serial: string): SubjectAlternativeNameExtension {
  return new SubjectAlternativeNameExtension([{ type: 'url', value: deviceUri(serial) }]);
}

/** Subject alternative name of a TLS server: DNS names and IP addresses. @throws PkiError PKI_NAME_REFUSED */
export function hostNames(hosts: readonly string[]): SubjectAlternativeNameExtension {
  if (hosts.length === 0 || !hosts.every((host) => isIP(host) || /^[A-Za-z0-9*._-]{1,253}$/.test(host))) {
    throw new PkiError('PKI_NAME_REFUSED', 'one or more DNS names or IP addresses expected');
  }
  return new SubjectAlternativeNameExtension(
    hosts.map((host) => ({ type: isIP(host) ? 'ip' : 'dns', value: host })),
  );
}

/** Serial number of a terminal in a subject alternative name; undefined unless its one URI is a terminal's. */
export function serialInNames(extension: SubjectAlternativeNameExtension | null): string | undefined {
  const uris = extension?.names.items.filter(({ type }) => type === 'url') ?? [];
  if (uris.length !== 1 || !uris[0]!.value.startsWith(deviceUriPrefix)) return undefined;
  const serial = uris[0]!.value.slice(deviceUriPrefix.length);
  return deviceSerial.test(serial) ? serial : undefined;
}
