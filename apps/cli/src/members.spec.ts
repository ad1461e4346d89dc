import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  choice,
  count,
  der,
  ders,
  flag,
  hex,
  type Member,
  optional,
  optionalBlocks,
  secretHex,
  secretPem,
  text,
  time,
} from './members.ts';

const pem = '-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n';
const bytes = (digits: string) => new Uint8Array(Buffer.from(digits, 'hex'));
const ascii = (characters: string) => new Uint8Array(Buffer.from(characters));

describe('reads', () => {
  test.each<[string, Member<unknown>, unknown, unknown]>([
    ['hex of either case', hex(''), 'aBcD', bytes('ABCD')],
    ['no bytes', hex(''), '', bytes('')],
    ['hex from a file', secretHex(''), ascii('00ff'), bytes('00FF')],
    ['text', text(''), '', ''],
    ['a choice', choice('', ['a', 'b']), 'b', 'b'],
    ['a count', count('', 5), 5, 5],
    ['a flag', flag(''), false, false],
    ['a time', time(''), '2026-11-24T12:00:00Z', new Date('2026-11-24T12:00:00Z')],
    ['optional blocks', optionalBlocks(''), [{ id: 'KS', data: '' }], [{ id: 'KS', data: '' }]],
    ['DER in hex', der(''), '3003020101', bytes('3003020101')],
    ['DER in PEM', der(''), pem, bytes('3003020101')],
    ['DER from a file', der(''), bytes('3003020101'), bytes('3003020101')],
    ['hex of DER from a file', der(''), ascii('300302\n0101\n'), bytes('3003020101')],
    ['PEM from a file', der(''), ascii(`subject=x\n${pem}`), bytes('3003020101')],
    ['several in one string', ders(''), pem + pem, [bytes('3003020101'), bytes('3003020101')]],
    ['several in a list', ders(''), [pem, '0500'], [bytes('3003020101'), bytes('0500')]],
  ])('%s', (_, member, given, value) => {
    const read = member.read(given, 'it');
    const plain = (any: unknown) => (any instanceof Uint8Array ? Uint8Array.from(any) : any);
    expect(Array.isArray(read) ? read.map(plain) : plain(read)).toEqual(value);
  });
});

describe('refuses, and does not repeat,', () => {
  const secret = '0123456789ABCDEF';
  test.each<[string, Member<unknown>, unknown[]]>([
    [
      'what is not hex',
      hex(''),
      [`${secret}0`, `${secret}G0`, `${secret} 00`, `０${secret}`, 1, {}, [secret], true],
    ],
    ['what is not a key', secretHex(''), [`${secret}0`, ascii(`${secret}\n00`), Number(1e15), { secret }]],
    ['what is not text', text(''), [1, true, {}, [secret]]],
    ['what is not in the list', choice('', ['a', 'b']), [secret, 'A', '', 'toString', 1]],
    ['what is not a count', count('', 5), [-1, 6, 1.5, '5', secret, true, {}]],
    ['what is not a flag', flag(''), ['true', 1, secret]],
    [
      'what is not a time',
      time(''),
      ['2026-11-24', '2026-02-29T00:00:00Z', '2026-11-24T24:00:00Z', 0, secret],
    ],
    ['what is not optional blocks', optionalBlocks(''), [{}, [1], [null], [secret], [{ id: 'KS' }], 'KS=1']],
    ['what is not DER', der(''), ['', secret.slice(1), '-----BEGIN X-----', 1, {}, ascii(''), [pem]]],
    ['more than one', der(''), [pem + pem]],
    ['none', ders(''), [[], [''], [secret.slice(1)], [1], {}]],
    ['what is not a private key', secretPem(''), [secret, pem, 1, {}, '']],
  ])('%s', (_, member, all) => {
    for (const given of all) {
      let message = 'nothing';
      try {
        member.read(given, 'it');
      } catch (error) {
        expect(error).toMatchObject({ code: 'CLI_MEMBER_INVALID' });
        message = (error as Error).message;
      }
      expect({ given, message }).toEqual({ given, message: expect.stringMatching(/^it: expected .* got /) });
      expect(message).not.toContain(secret.slice(0, 8));
    }
  });
});

test('what a member of bytes reads is a copy: wiping it leaves a file as it is', () => {
  const file = bytes('3003020101');
  for (const member of [der(''), ders('')]) [member.read(file, 'it')].flat()[0]!.fill(0);
  expect(file).toEqual(bytes('3003020101'));
});

test('hex: every string of bytes comes back', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.boolean(), (value, upper) => {
      const digits = Buffer.from(value).toString('hex');
      expect(hex('').read(upper ? digits.toUpperCase() : digits, 'it')).toEqual(value);
    }),
  );
});

test('an optional member is the same, but may be left out', () => {
  expect(optional(hex('')).required).toBe(false);
  expect(hex('').required).toBe(true);
});

test.each<[string, Member<unknown>, string, unknown]>([
  ['a count', count('', 5), '5', 5],
  ['a count that is none', count('', 5), '5x', '5x'],
  ['an optional block', optionalBlocks(''), 'LB=a=b', { id: 'LB', data: 'a=b' }],
  ['an empty optional block', optionalBlocks(''), 'LB=', { id: 'LB', data: '' }],
])('from the command line: %s', (_, member, argument, value) => {
  expect(member.fromArgument(argument)).toEqual(value);
});
