import { describe, expect, test } from '@jest/globals';
import { parsePkcs11Uri } from './pkcs11-uri.ts';

describe('PKCS#11 URIs (RFC 7512)', () => {
  test.each([
    'pkcs11:token=my%20token?module-path=/usr/lib/p11.so&pin-source=/run/pin',
    'pkcs11:token=my%20token?pin-source=file:/run/pin&module-path=/usr/lib/p11.so',
    'pkcs11:token=my%20token?module-path=%2Fusr%2Flib%2Fp11.so&pin-source=file:///run/pin',
  ])('%s', (uri) => {
    expect(parsePkcs11Uri(uri)).toEqual({
      token: 'my token',
      modulePath: '/usr/lib/p11.so',
      pinFile: '/run/pin',
    });
  });

  test.each([
    ['no query', 'pkcs11:token=t'],
    ['no token', 'pkcs11:?module-path=/m&pin-source=/p'],
    ['no module', 'pkcs11:token=t?pin-source=/p'],
    ['no file with a PIN', 'pkcs11:token=t?module-path=/m'],
    ['a PIN', 'pkcs11:token=t?module-path=/m&pin-value=12345678'],
    ['a PIN besides', 'pkcs11:token=t?module-path=/m&pin-source=/p&pin-value=12345678'],
    ['a relative module', 'pkcs11:token=t?module-path=m.so&pin-source=/p'],
    ['a command for the PIN', 'pkcs11:token=t?module-path=/m&pin-source=|/bin/p'],
    ['an attribute twice', 'pkcs11:token=t;token=u?module-path=/m&pin-source=/p'],
    ['an attribute that is not known', 'pkcs11:token=t;slot-id=1?module-path=/m&pin-source=/p'],
    ['broken percent-encoding', 'pkcs11:token=%zz?module-path=/m&pin-source=/p'],
    ['another scheme', 'unix:/run/hsm.sock'],
  ])('%s', (_what, uri) => {
    expect(() => parsePkcs11Uri(uri)).toThrow(expect.objectContaining({ code: 'HSM_BAD_REQUEST' }));
    expect(() => parsePkcs11Uri(uri)).not.toThrow(/12345678/);
  });
});
