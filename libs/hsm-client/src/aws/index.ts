export { AwsHsm, type AwsOptions } from './aws-hsm.ts';
export { parseAwsUrl } from './aws-url.ts';
