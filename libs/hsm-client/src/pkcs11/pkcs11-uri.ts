import { HsmError } from '../errors.ts';

export interface Pkcs11Uri {
  /** Label of the token. */
  token: string;
  modulePath: string;
  /** File that holds the user's PIN. */
  pinFile: string;
}

/**
 * A token by RFC 7512: `pkcs11:token=LABEL?module-path=/…&pin-source=file:/…`. All three attributes are needed, and no
 * others are known: `pin-value` would put a secret into configuration and logs. Throws HSM_BAD_REQUEST, without words
 * of the URI.
 */
export function parsePkcs11Uri(uri: string): Pkcs11Uri {
  const [, path, query] = /^pkcs11:([^?]*)\?([^?]*)$/.exec(uri) ?? [];
  const { token, ...otherPath } = attributesIn(path, ';');
  const { 'module-path': modulePath, 'pin-source': pinSource, ...otherQuery } = attributesIn(query, '&');
  const unknown = [...Object.keys(otherPath), ...Object.keys(otherQuery)].length > 0;
  const pinFile = pinSource?.replace(/^file:(\/\/)?/, '');
  if (unknown || !token || !modulePath?.startsWith('/') || !pinFile?.startsWith('/')) {
    throw badUri();
  }
  return { token, modulePath, pinFile };
}

/** `name=value`, percent-encoded, with `separator` between them. */
function attributesIn(text: string | undefined, separator: string): Record<string, string> {
  if (text === undefined) throw badUri();
  const attributes: Record<string, string> = {};
  for (const pair of text.split(separator)) {
    const [, name, value] = /^([a-z-]+)=(.+)$/.exec(pair) ?? [];
    if (name === undefined || name in attributes) throw badUri();
    attributes[name] = decoded(value!);
  }
  return attributes;
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    throw badUri();
  }
}

function badUri(): HsmError {
  return new HsmError(
    'HSM_BAD_REQUEST',
    'PKCS#11 URI: expected pkcs11:token=LABEL?module-path=/FILE&pin-source=/FILE, and nothing else',
  );
}
