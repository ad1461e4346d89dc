import { HsmError } from '../errors.ts';
import type { AwsOptions } from './aws-hsm.ts';

/**
 * AWS in configuration: `aws:REGION?krd-ca=ARN-or-alias`, and `&endpoint=URL` for a stand-in. Credentials are never in it.
 * Throws HSM_BAD_REQUEST.
 */
export function parseAwsUrl(
  url: string,
): Pick<AwsOptions, 'region' | 'krdCertificateAuthority' | 'endpoint'> {
  const [, region, query = ''] = /^aws:([a-z0-9-]+)(?:\?(.*))?$/.exec(url) ?? [];
  const settings = new URLSearchParams(query);
  const unknown = [...settings.keys()].some((name) => name !== 'krd-ca' && name !== 'endpoint');
  if (region === undefined || unknown) {
    throw new HsmError('HSM_BAD_REQUEST', 'HSM address: expected aws:REGION?krd-ca=ARN, and nothing else');
  }
  const [krdCertificateAuthority, endpoint] = [settings.get('krd-ca'), settings.get('endpoint')];
  return {
    region,
    ...(krdCertificateAuthority ? { krdCertificateAuthority } : {}),
    ...(endpoint ? { endpoint } : {}),
  };
}
