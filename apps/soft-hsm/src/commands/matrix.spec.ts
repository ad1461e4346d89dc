import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CeremonyHsm, passphraseOf } from '../../../../test/support/ceremony.ts';
import { answerCodes } from '../answer-codes.ts';
import type { HostEntry } from '../hosts/host-list.ts';
import type { HsmState } from '../machine.ts';
import { commands } from './index.ts';

/**
 * Every command × state × host × grant, generated: the code that a good request must be answered with in each cell. A
 * new command has to say here what it is before it gets in.
 */

interface Sample {
  request: string;
  /** Its code where nothing stands in the way. */
  good: string;
  /** Whether it needs the LMK, although it uses no key. */
  needsLmk?: boolean;
  /** Activity that two officers have to grant. */
  activity?: string;
  /** Its code for a host that may use no key, where that is not A6; and no LMK, where that is not 13. */
  withoutUsage?: string;
  withoutLmk?: string;
}

const everything = { commands: '*', usages: '*', lmkIds: '*', rates: {} } as const;
const hosts = {
  'may do everything': { ...everything, name: 'all', id: 'local' },
  'may do nothing': { ...everything, name: 'none', id: '11'.repeat(32), commands: [] },
  'may use no key': { ...everything, name: 'no key', id: '22'.repeat(32), usages: [] },
  'may use no LMK': { ...everything, name: 'no LMK', id: '33'.repeat(32), lmkIds: [] },
  'is shut out': { ...everything, name: 'out', id: '44'.repeat(32) },
} as const satisfies Record<string, HostEntry>;
type HostKind = keyof typeof hosts;
const hostKinds = Object.keys(hosts) as HostKind[];
const states: readonly HsmState[] = ['UNINITIALISED', 'LOCKED', 'OPERATIONAL', 'FAILED', 'TAMPERED'];

function expectedCode(
  command: string,
  sample: Sample,
  state: HsmState,
  host: HostKind,
  granted: boolean,
): string {
  const { kind } = commands[command]!;
  const closed = state !== 'OPERATIONAL' && state !== 'FAILED';
  if (host === 'may do nothing') return '68';
  if (kind === 'status') return sample.needsLmk && closed ? '13' : sample.good;
  if (state === 'FAILED') return '41';
  if (kind === 'keyless') return sample.good;
  if (closed) return '13';
  if (host === 'is shut out') return '39';
  if (host === 'may use no LMK') return sample.withoutLmk ?? '13';
  if (host === 'may use no key') return sample.withoutUsage ?? 'A6';
  return sample.activity !== undefined && !granted ? '17' : sample.good;
}

/** A good request for each command, made of keys of this HSM. */
async function samplesFor(hsm: CeremonyHsm): Promise<Record<string, Sample>> {
  const key = async (attributes: string) => (await hsm.call(`A00FFFS#${attributes}`)).slice(4, -6);
  const component = async (custodian: string, number: number) => {
    const passphrase = passphraseOf(custodian);
    const attributes = { keyUsage: 'B0', algorithm: 'A1', modeOfUse: 'X', exportability: 'S' };
    const parameters = { ...attributes, custodian, number, passphraseBytes: passphrase.length };
    const payload = Buffer.concat([passphrase, Buffer.alloc(15, 0x5a), Buffer.of(number)]);
    return (await hsm.manage('enter-component', parameters, payload)).line['keyBlock'] as string;
  };
  const [zmk, kbpk, pin, data] = [
    await key('K0A3N00E00'),
    await key('K1A1B00E00'),
    await key('P0A1E00E00'),
    await key('D0A1B00E00'),
  ];
  const [mac, bdk] = [await key('M6A1C00E00'), await key('B0T2X00S00')];
  const privateKeyOf = async (request: string) =>
    (await hsm.call(request))
      .split('FFFFS')
      .map((part) => `S${part}`)
      .at(-1);
  const pair = await hsm.call('EI0204802#0000');
  const publicKey = pair.slice(4, pair.indexOf('FFFFS'));
  const privateKey = pair.slice(pair.indexOf('FFFFS') + 4);
  const hmac = (await hsm.call('ZG63C')).slice(4);
  const decrypting = await privateKeyOf('EI1204802#0000');
  const signature = (await hsm.call(`EW0601010005hello;99FFFF${privateKey}`)).slice(8);
  const verifying = (await hsm.call(`EO02${publicKey}~#V00N00`)).slice(4);
  await hsm.command('grant', { activity: 'export.P0.host', client: 'local', lmkId: '00', count: 1 });
  const exported = (await hsm.call(`A8FFF${zmk}${pin}R`)).slice(4, -6);
  const id = '\x30\x05\x30\x00\x02\x01\x01'; // IssuerAndSerialNumber with an empty name
  const seq = '1'.padStart(20, '0');
  const block = `0020${'00'.repeat(16)}`;
  const good = (request: string, more: Partial<Sample> = {}): Sample => ({ request, good: '00', ...more });
  return {
    A0: good('A00FFFS#K0A1N00E00'),
    A4: good(`A42FFFS${await component('ann', 1)}${await component('bob', 2)}#0000`, {
      activity: 'component.B0.host',
    }),
    A6: good(`A6FFF${zmk}${exported}S`),
    A8: good(`A8FFF${zmk}${pin}R`, { activity: 'export.P0.host' }),
    B2: good('B20000'),
    B8: good(`B80FFF${kbpk}${id}000001${id}${publicKey}0099FFFF${privateKey}01008nonceabc!D`, {
      activity: 'export.K1.host',
    }),
    BS: good('BS', { withoutLmk: '00', withoutUsage: '00' }),
    BU: good(`BUFFF${zmk}`),
    BW: good(`BWFFF${zmk};FFF`, { good: '33', withoutUsage: '33' }),
    EI: good('EI0204802#0000'),
    EO: good(`EO02${publicKey}~#V00N00`),
    EW: good(`EW0601010005hello;99FFFF${privateKey}`),
    EY: good(`EY0601010256${signature};0005hello;${verifying}`),
    FY: good('FY010003#S00N00'),
    GM: good('GM0600003abc'),
    GW: good(`GW41${bdk}A05FFFF9876543210E000080003abc`),
    JK: good('JK'),
    M0: good(`M00011FFF${data}${block}`),
    M2: good(`M20011FFF${data}${block}`),
    M4: good(`M4000011FFF${data}FFF${data}${block}`),
    M6: good(`M601161FFF${mac}0002AB`),
    M8: good(`M801161FFF${mac}0002AB${'0'.repeat(16)}`, { good: '01' }),
    N0: good('N0008'),
    NC: good('NC', { needsLmk: true }),
    NO: good('NO00'),
    QE: good(`QE000102${publicKey}${privateKey}01061a;;;;;;`),
    ZC: good('ZC'),
    ZG: good('ZG63C'),
    ZH: good(`ZHFFF${hmac}0000`),
    ZI: good(`ZIFFF${id}${id}${id}099FFFF${decrypting}`, { good: '17' }),
    ZK: good(`ZK${seq}`, { needsLmk: true }),
    ZL: good(`ZL${seq}`, { needsLmk: true }),
    ZM: good(`ZMFFF${hmac}0000${'0'.repeat(64)}`, { good: '01' }),
    ZP: good(`ZP${bdk}A05FFFF9876543210E000080${'0'.repeat(16)}${pin}4164111111111111111`, { good: '20' }),
    ZR: good('ZR'),
    ZV: good('ZV'),
  };
}

/** An open HSM that knows the hosts, one of them shut out, with or without grants for them all. */
async function openHsm(granted: boolean): Promise<{ hsm: CeremonyHsm; samples: Record<string, Sample> }> {
  const hsm = new CeremonyHsm();
  await hsm.initialise();
  await hsm.command('set-hosts', { hosts: Object.values(hosts) });
  const samples = await samplesFor(hsm);
  for (let n = 0; n < 20; n += 1) hsm.machine.hosts.get(hosts['is shut out'].id)!.answered('A4');
  for (const { activity } of granted ? Object.values(samples) : []) {
    for (const { id } of activity ? Object.values(hosts) : []) {
      await hsm.command('grant', { activity, client: id, lmkId: '00', count: 9 });
    }
  }
  return { hsm, samples };
}

/** An HSM in another state, which gets the same requests. */
async function hsmIn(state: HsmState): Promise<CeremonyHsm> {
  const hsm = new CeremonyHsm();
  if (state === 'UNINITIALISED') return withHosts(hsm);
  await hsm.initialise();
  if (state === 'LOCKED') await hsm.manage('lock');
  if (state === 'FAILED') hsm.machine.fail('for the test');
  if (state === 'TAMPERED') await hsm.manage('zeroise', { confirm: 'erase' });
  return withHosts(hsm);
}

function withHosts(hsm: CeremonyHsm): CeremonyHsm {
  hsm.machine.hosts.replace(new Map(Object.values(hosts).map((host) => [host.id, host])));
  return hsm;
}

afterAll(() => CeremonyHsm.closeAll());

const cells = states.flatMap((state): { state: HsmState; granted: boolean }[] =>
  (state === 'OPERATIONAL' ? [false, true] : [false]).map((granted) => ({ state, granted })),
);

describe.each(cells)('$state, granted: $granted', ({ state, granted }) => {
  let hsm: CeremonyHsm;
  let samples: Record<string, Sample>;
  beforeAll(async () => {
    ({ hsm, samples } = await openHsm(granted));
    if (state !== 'OPERATIONAL') hsm = await hsmIn(state);
  });

  test('every command has a sample', () => {
    expect(Object.keys(samples).sort()).toEqual(Object.keys(commands).sort());
  });

  test.each(hostKinds)('a host that %s', async (host) => {
    hsm.hostId = hosts[host].id;
    const codes: Record<string, string> = {};
    const expected: Record<string, string> = {};
    for (const [command, sample] of Object.entries(samples)) {
      codes[command] = (await hsm.call(sample.request)).slice(2, 4);
      expected[command] = expectedCode(command, sample, state, host, granted);
    }
    expect(codes).toEqual(expected);
  });
});

test('a good request of any command with bytes changed, cut or put in is answered with a code of the set', async () => {
  const { hsm, samples } = await openHsm(true);
  const { EI: _, ...quick } = samples; // EI makes a key pair of what still fits it
  let requests = 0;
  /** Hosts that send broken key blocks are shut out; so each has its turn. */
  const nextHost = () => {
    requests += 1;
    const id = String(Math.floor(requests / 10)).padStart(64, '0');
    hsm.machine.hosts.replace(new Map([[id, { ...everything, name: 'fuzz', id }]]));
    hsm.hostId = id;
  };
  const edit = fc.record({
    at: fc.nat(),
    cut: fc.nat({ max: 2 }),
    put: fc.string({ maxLength: 2, unit: 'binary-ascii' }),
  });
  const edits = fc.array(edit, { minLength: 1, maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...Object.values(quick)), edits, async ({ request }, changes) => {
      nextHost();
      const fields = changes.reduce((text, { at, cut, put }) => {
        const place = at % (text.length + 1);
        return text.slice(0, place) + put + text.slice(place + cut);
      }, request.slice(2));
      const answer = await hsm.call(request.slice(0, 2) + fields);
      const code = answer.slice(2, 4);
      expect(Object.keys(answerCodes)).toContain(code);
      expect(code).not.toBe('41'); // an error of this program
    }),
    { numRuns: 800 },
  );
});
