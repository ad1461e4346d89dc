import { describe, expect, test } from '@jest/globals';
import { HsmError } from '../errors.ts';
import { formatEndpoint, parseHsmUrl } from './endpoint.ts';

describe('address of an HSM', () => {
  test.each([
    ['unix:/run/hsm/host.sock', { transport: 'unix', path: '/run/hsm/host.sock' }],
    ['unix:///run/hsm/host.sock', { transport: 'unix', path: '/run/hsm/host.sock' }],
    ['tls://hsm.example:2500', { transport: 'tls', host: 'hsm.example', port: 2500 }],
    ['tls://[::1]:2500', { transport: 'tls', host: '::1', port: 2500 }],
  ])('%s', (url, endpoint) => {
    expect(parseHsmUrl(url)).toEqual(endpoint);
    expect(parseHsmUrl(formatEndpoint(parseHsmUrl(url)))).toEqual(endpoint);
  });

  test('plain TCP only where it is allowed', () => {
    expect(() => parseHsmUrl('tcp://10.0.0.5:1500')).toThrow(/plain TCP is not allowed/);
    expect(parseHsmUrl('tcp://10.0.0.5:1500', { allowPlainTcp: true })).toEqual({
      transport: 'tcp',
      host: '10.0.0.5',
      port: 1500,
    });
  });

  test.each([
    '',
    'unix:',
    'unix:host.sock',
    'tls://',
    'tls://host',
    'tls://host:0',
    'tls://host:65536',
    'tls://user@host:1500',
    'tls://host:1500/path',
    'tls://::1:1500',
    'https://host:1500',
  ])('%p is refused', (url) => {
    expect(() => parseHsmUrl(url)).toThrow(HsmError);
    expect(() => parseHsmUrl(url)).toThrow(expect.objectContaining({ code: 'HSM_BAD_REQUEST' }));
  });
});
