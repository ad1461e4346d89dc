export { openPkcs11, type Pkcs11Options } from './pkcs11-hsm.ts';
export { type Pkcs11Uri, parsePkcs11Uri } from './pkcs11-uri.ts';
