import { describe, expect, test } from '@jest/globals';
import { parseAwsUrl } from './aws-url.ts';

describe('AWS in configuration', () => {
  test('region, CA of the KRDs, endpoint', () => {
    expect(parseAwsUrl('aws:eu-west-1')).toEqual({ region: 'eu-west-1' });
    expect(parseAwsUrl('aws:eu-west-1?krd-ca=alias/krd-ca&endpoint=http://127.0.0.1:4566')).toEqual({
      region: 'eu-west-1',
      krdCertificateAuthority: 'alias/krd-ca',
      endpoint: 'http://127.0.0.1:4566',
    });
  });

  test.each(['aws:', 'aws:?krd-ca=a', 'aws:eu-west-1?secret=x', 'aws://eu-west-1', 'unix:/hsm.sock'])(
    '%s',
    (url) => {
      expect(() => parseAwsUrl(url)).toThrow(expect.objectContaining({ code: 'HSM_BAD_REQUEST' }));
    },
  );
});
