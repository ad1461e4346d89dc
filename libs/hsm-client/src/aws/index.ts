export { AwsHsm, type AwsOptions } from './aws-hsm.ts';
