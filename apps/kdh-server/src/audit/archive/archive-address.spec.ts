import { expect, test } from '@jest/globals';
import { parseArchiveAddress } from './archive-address.ts';

test.each([
  ['file:///var/lib/kdh/archive', { kind: 'folder', folder: '/var/lib/kdh/archive' }],
  [
    's3://log?region=eu-central-1',
    { kind: 's3', base: new URL('https://s3.eu-central-1.amazonaws.com/log/'), region: 'eu-central-1' },
  ],
  [
    's3://log/kdh/one?region=x&endpoint=https://minio.example:9000',
    { kind: 's3', base: new URL('https://minio.example:9000/log/kdh/one/'), region: 'x' },
  ],
  [
    's3://log?region=x&endpoint=http://127.0.0.1:9000',
    { kind: 's3', base: new URL('http://127.0.0.1:9000/log/'), region: 'x' },
  ],
])('%s', (text, address) => {
  expect(parseArchiveAddress(text)).toEqual(address);
});

test.each([
  ['nothing', ''],
  ['a relative folder', 'file://archive'],
  ['a folder on another host', 'file://host/archive?x'],
  ['no region', 's3://log'],
  ['an empty region', 's3://log?region='],
  ['no bucket', 's3://?region=x'],
  ['a prefix that climbs', 's3://log/../other?region=x'],
  ['a prefix that a URL writes in another way', 's3://log/a b?region=x'],
  ['an unknown option', 's3://log?region=x&acl=public'],
  ['an endpoint without TLS elsewhere', 's3://log?region=x&endpoint=http://minio.example'],
  ['an endpoint with a path', 's3://log?region=x&endpoint=https://minio.example/other'],
  ['an endpoint with a password', 's3://log?region=x&endpoint=https://a:b@minio.example'],
  ['no archive', 'https://minio.example/log'],
])('refused: %s', (_, text) => {
  expect(parseArchiveAddress(text)).toBeUndefined();
});
