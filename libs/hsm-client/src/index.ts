export { HsmError, type HsmErrorCode, type HsmErrorDetails } from './errors.ts';
export type * from './hsm.ts';
export { formatEndpoint, type PayShieldEndpoint, parseHsmUrl } from './payshield/endpoint.ts';
