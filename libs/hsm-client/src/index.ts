export { HsmError, type HsmErrorCode, type HsmErrorDetails } from './errors.ts';
export * from './hsm.ts';
export type { HsmTls } from './payshield/connection.ts';
export { formatEndpoint, type PayShieldEndpoint, parseHsmUrl } from './payshield/endpoint.ts';
export type { HsmLogEntry, HsmLogger } from './payshield/log.ts';
export { connectPayShield, type PayShieldOptions } from './payshield/payshield-hsm.ts';
export { withSigningHsm } from './signing-hsm.ts';
