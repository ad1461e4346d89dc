/** The `openkdh` command as it is built: scripts, the manual's examples, and every published vector as JSON lines. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { afterAll, describe, expect, test } from '@jest/globals';
import { asPrinted, openkdh, readScript, readSteps, type Step, Workshop } from '../cli/transcript.ts';
import { aesVectors, tdesVectors } from '../support/dukpt-vectors.ts';
import { keyBlockVectors } from '../support/tr31-vectors.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** Clover's sample PKI and tokens. */
const clover: {
  pki: Record<
    'root' | 'kdhCa' | 'krdCa' | 'kdh1' | 'kdh2' | 'krd1',
    { certificatePem: string; privateKeyPem: string }
  >;
  tokens: {
    id: string;
    kind: string;
    derHex: string;
    randomTokenDerHex?: string;
    expected: { clearKey: string; keyBlockHeader: string; nonce: string };
  }[];
} = JSON.parse(read('test/vectors/tr34.json'));
const certificate = (member: keyof typeof clover.pki) => clover.pki[member].certificatePem;
const tokenOf = (kind: string) => clover.tokens.find((token) => token.kind === kind)!;
const keyTokens = clover.tokens.filter(({ kind }) => kind === 'twoPassKeyToken');

/** Sends lines to a command, and returns what came back for each. */
async function answersTo(command: string, lines: Iterable<unknown>): Promise<Record<string, unknown>[]> {
  const child = start(command, '--json');
  const input = Readable.from(
    (function* () {
      for (const line of lines) yield `${JSON.stringify(line)}\n`;
    })(),
  );
  const [output, complaints] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    pipeline(input, child.stdin),
  ]);
  expect(complaints).toBe('');
  return output
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

const start = (command: string, ...options: string[]) =>
  spawn(process.execPath, [openkdh, ...command.split(' '), ...options]);

async function expectSteps(steps: readonly Step[], workshop: Workshop, printed: typeof asPrinted) {
  expect(steps.length).toBeGreaterThan(0);
  for (const { command, printed: expected } of steps) {
    expect({ command, printed: printed(await workshop.run(command)) }).toEqual({
      command,
      printed: expected,
    });
  }
}

describe('the scripts of test/cli', () => {
  const scripts = readdirSync(join(root, 'test/cli')).filter((name) => name.endsWith('.txt'));
  test.each(scripts)('%s', async (name) => {
    const { steps, files } = readScript(read(`test/cli/${name}`));
    const workshop = new Workshop(files);
    await expectSteps(steps, workshop, asPrinted).finally(() => workshop.remove());
  });
});

describe('the examples in docs/cli.md', () => {
  const asShown: typeof asPrinted = ({ stdout, stderr }) => (stdout + stderr).trimEnd();
  const [, ...sections] = read('docs/cli.md').split(/^## /m);
  const examples = sections.flatMap((section) => {
    const blocks = [...section.matchAll(/^```console\n(.*?)^```$/gms)];
    const steps = blocks.flatMap(([, block]) => readSteps(block!));
    return steps.length > 0 ? [[section.split('\n')[0]!, steps] as const] : [];
  });
  const workshop = new Workshop({
    'kt.hex': keyTokens[0]!.derHex,
    'krd.key': clover.pki.krd1.privateKeyPem,
    'krd.pem': certificate('krd1'),
    'kdh.pem': certificate('kdh1') + certificate('kdhCa'),
    'root.pem': certificate('root'),
  });
  afterAll(() => workshop.remove());

  // In order: an example may use the files of those before it.
  test.each(examples)('%s', async (_, steps) => expectSteps(steps, workshop, asShown));
});

describe('key blocks', () => {
  const { cases, errata } = keyBlockVectors;

  test('every published block is unwrapped', async () => {
    const answers = await answersTo(
      'keyblock unwrap',
      cases.map(({ kbpk, keyBlock }) => ({ kbpk, keyBlock, profile: 'lenient' })),
    );
    expect(answers.map(({ deviations, ...answer }) => answer)).toEqual(
      cases.map(({ key, header, optionalBlocks }) => ({
        key: key.toUpperCase(),
        header: header.raw.slice(0, 16),
        optionalBlocks,
      })),
    );
    for (const [n, { strictDeviations = [] }] of cases.entries()) {
      expect((answers[n]!['deviations'] as object[]).length).toBeGreaterThanOrEqual(strictDeviations.length);
    }
  });

  test('every published block is wrapped, byte for byte', async () => {
    const answers = await answersTo(
      'keyblock wrap',
      cases.map(({ kbpk, key, header, optionalBlocks, padding }) => ({
        kbpk,
        key,
        header: `${header.versionId}0000${header.raw.slice(5, 12)}00${header.raw.slice(14, 16)}`,
        optionalBlocks,
        padding,
        profile: 'lenient',
      })),
    );
    // One published block has lower-case hex after its header.
    expect(answers).toEqual(
      cases.map(({ id, keyBlock }) => ({
        keyBlock: id === 'tr31-D-038' ? keyBlock.toUpperCase() : keyBlock,
      })),
    );
  });

  test('every published block is checked: strict refuses what the file says, with its KBPK and without', async () => {
    const withKey = await answersTo(
      'keyblock check',
      cases.map(({ kbpk, keyBlock }) => ({ kbpk, keyBlock })),
    );
    const withoutKey = await answersTo(
      'keyblock check',
      cases.map(({ keyBlock }) => ({ keyBlock })),
    );
    const lenient = await answersTo(
      'keyblock check',
      cases.map(({ kbpk, keyBlock }) => ({ kbpk, keyBlock, profile: 'lenient' })),
    );
    for (const [n, { strictDeviations = [] }] of cases.entries()) {
      if (strictDeviations.length > 0) expect(withKey[n]).toMatchObject({ ok: false });
      expect(lenient[n]).toEqual({ ok: true, findings: withKey[n]!['findings'] });
      expect(withKey[n]!['findings']).toEqual(expect.arrayContaining(withoutKey[n]!['findings'] as object[]));
    }
  });

  test('misprints are refused, and explained', async () => {
    const printed = errata.flatMap(({ kbpk, keyBlockAsPrinted }) =>
      kbpk && keyBlockAsPrinted ? [{ kbpk, keyBlock: keyBlockAsPrinted, profile: 'lenient' }] : [],
    );
    for (const answer of await answersTo('keyblock unwrap', printed)) {
      expect(answer).toEqual({ error: { code: 'TR31_LENGTH', message: expect.any(String) } });
    }
    const blocks = printed.map(({ keyBlock }) => ({ keyBlock }));
    for (const answer of await answersTo('keyblock decode', blocks)) {
      expect(answer['findings']).toMatchObject([{ code: 'TR31_LENGTH', at: { start: 1, end: 5 } }]);
    }
  });

  test('check values of the published keys', async () => {
    const withKcv = cases.filter(({ kcv }) => kcv !== undefined);
    const answers = await answersTo(
      'kcv',
      withKcv.map(({ key, header }) => ({ key, algorithm: header.algorithm === 'A' ? 'aes' : 'tdes' })),
    );
    expect(answers.map(({ kcv }) => kcv)).toEqual(withKcv.map(({ kcv }) => kcv));
  });
});

describe('DUKPT', () => {
  test('tdes key: every published transaction, in all usages', async () => {
    const usages = {
      PIN: 'pinKey',
      MAC_REQUEST: 'macRequestKey',
      MAC_RESPONSE: 'macResponseKey',
      MAC_BOTH: 'macRequestKey',
      DATA_REQUEST: 'dataRequestKey',
      DATA_RESPONSE: 'dataResponseKey',
      DATA_BOTH: 'dataRequestKey',
    } as const;
    const rows = tdesVectors.cases.flatMap((row) =>
      Object.entries(usages).map(([usage, member]) => ({ ...row, usage, workingKey: row[member] })),
    );
    const answers = await answersTo(
      'dukpt key',
      rows.map(({ bdk, ksn, usage }) => ({ scheme: 'tdes', bdk, ksn, usage })),
    );
    expect(answers).toEqual(
      rows.map(({ ik, transactionKey, workingKey }) => ({ ik, transactionKey, workingKey })),
    );
  });

  test('aes key: every published key, and the cross product of usages and types', async () => {
    const rows = [
      ...aesVectors.cases
        .filter(({ kind }) => kind !== 'ik')
        .map((row) => ({ ...row, kind: row.kind as string })),
      ...aesVectors.crossProduct.rows.map((row) => ({ ...row, kind: 'workingKey' })),
    ];
    const answers = await answersTo(
      'dukpt key',
      rows.map(({ kind, bdk, ksn, keyUsage, keyType }) => ({
        scheme: 'aes',
        bdk,
        ksn,
        ...(kind !== 'transactionKey' && { usage: keyUsage, type: keyType, allowStrongerWorkingKey: true }),
      })),
    );
    for (const [n, row] of rows.entries()) {
      const member = row.kind === 'transactionKey' ? 'transactionKey' : 'workingKey';
      const { [member]: given, error } = answers[n]!;
      // The supplement goes on to counters that no terminal uses; of those only the update key is derived.
      const isUsed = row.kind === 'updateKey' || !/(0001|FFFF)FFFF$/.test(row.ksn);
      const outcome = isUsed ? given : (error as { code: string }).code;
      expect({ row, outcome }).toEqual({ row, outcome: isUsed ? row.value : 'DUKPT_COUNTER_INVALID' });
    }
  });

  test('ik', async () => {
    const aes = aesVectors.cases.filter(({ kind }) => kind === 'ik');
    const answers = await answersTo('dukpt ik', [
      ...aes.map(({ bdk, initialKeyId }) => ({ scheme: 'aes', bdk, ksn: initialKeyId })),
      ...aes.map(({ bdk, initialKeyId }) => ({ scheme: 'aes', bdk, ksn: `${initialKeyId}00000007` })),
      ...tdesVectors.cases.map(({ bdk, ksn }) => ({ scheme: 'tdes', bdk, ksn })),
    ]);
    const expected = [...aes, ...aes].map(({ value }) => value).concat(tdesVectors.cases.map(({ ik }) => ik));
    expect(answers).toEqual(expected.map((ik) => ({ ik })));
  });

  test('next', async () => {
    const answers = await answersTo('dukpt next', [
      ...tdesVectors.advance.map(({ ksn }) => ({ scheme: 'tdes', ksn })),
      ...aesVectors.advance.map(({ ksn }) => ({ scheme: 'aes', ksn })),
    ]);
    const expected = [
      ...tdesVectors.advance.map(({ next }) => next),
      ...aesVectors.advance.map(({ ksn, nextCounter }) => nextCounter && ksn.slice(0, 16) + nextCounter),
    ];
    expect(answers.map(({ ksn, error }) => ksn ?? (error as { code: string }).code)).toEqual(
      expected.map((ksn) => ksn ?? 'DUKPT_EXHAUSTED'),
    );
  });

  test('state: the registers give the published transaction keys', async () => {
    const tdes = tdesVectors.cases[0]!;
    const aes = aesVectors.cases.filter(({ kind }) => kind === 'ik');
    const transactions = 100;
    const answers = await answersTo('dukpt state', [
      { scheme: 'tdes', ik: tdes.ik, ksn: 'FFFF9876543210E00000', transactions },
      ...aes.map(({ value, initialKeyId }) => ({
        scheme: 'aes',
        ik: value,
        ksn: `${initialKeyId}00000000`,
        transactions,
      })),
    ]);
    const [tdesKeys, ...aesKeys] = answers.map(({ keys }) => keys as { ksn: string; key: string }[]);
    expect(tdesKeys).toHaveLength(transactions);
    for (const { ksn, transactionKey } of tdesVectors.cases) {
      const given = tdesKeys!.find((key) => key.ksn === ksn);
      if (given) expect(given.key).toBe(transactionKey);
    }
    for (const { kind, bdk, ksn, value } of aesVectors.cases) {
      const terminal = aes.findIndex((row) => row.bdk === bdk);
      const given = aesKeys[terminal]?.find((key) => key.ksn === ksn);
      if (kind === 'transactionKey' && given) expect(given.key).toBe(value);
    }
  });
});

describe('TR-34', () => {
  const recipientCertificate = certificate('krd1');
  const senderCertificate = certificate('kdh1') + certificate('kdhCa');
  const krd = {
    recipientCertificate,
    recipientKey: clover.pki.krd1.privateKeyPem,
    senderCertificate,
    trustAnchors: [certificate('root')],
    at: '2026-11-24T00:00:00Z',
  };
  const token = keyTokens[0]!;
  const codeOf = ({ error }: Record<string, unknown>) => (error as { code: string } | undefined)?.code;

  test('every published key token is opened, with its nonce and without', async () => {
    const opened = keyTokens.map(({ expected }) => ({
      key: expected.clearKey,
      header: expected.keyBlockHeader,
      revocationChecked: false,
    }));
    const withNonce = keyTokens.map(({ derHex, expected }) => ({
      ...krd,
      token: derHex,
      nonce: expected.nonce,
    }));
    const without = keyTokens.map(({ derHex }) => ({ ...krd, token: derHex }));
    expect(await answersTo('tr34 open', [...withNonce, ...without])).toEqual([...opened, ...opened]);
  });

  test('a CA as the anchor, and anchors in one string', async () => {
    const anchors = [[certificate('kdhCa')], certificate('krdCa') + certificate('kdhCa')];
    const lines = anchors.map((trustAnchors) => ({
      ...krd,
      token: token.derHex,
      senderCertificate: certificate('kdh1'),
      trustAnchors,
    }));
    for (const answer of await answersTo('tr34 open', lines)) {
      expect(answer['key']).toBe(token.expected.clearKey);
    }
  });

  test.each<[string, object, string]>([
    ['another nonce', { nonce: '0011223344556677' }, 'TR34_NONCE_REFUSED'],
    ['another sender', { senderCertificate: certificate('kdh2') }, 'TR34_SIGNER_UNKNOWN'],
    ['another recipient', { recipientCertificate: certificate('kdh2') }, 'TR34_RECIPIENT_OTHER'],
    ['another private key', { recipientKey: clover.pki.kdh2.privateKeyPem }, 'TR34_UNWRAP_FAILED'],
    ['another root', { trustAnchors: [certificate('krdCa')] }, 'TR34_CERTIFICATE_UNTRUSTED'],
    ['a time after the validity', { at: '2040-01-01T00:00:00Z' }, 'TR34_CERTIFICATE_EXPIRED'],
    ['another dialect', { dialect: 'aws' }, 'TR34_DIALECT'],
    ['a flipped bit in the signature', { token: flipLast(token.derHex) }, 'TR34_SIGNATURE_INVALID'],
    ['no token', { token: token.derHex.slice(2) }, 'TR34_MALFORMED'],
    ['no trust anchors', { trustAnchors: [] }, 'CLI_MEMBER_INVALID'],
    ['a certificate for the private key', { recipientKey: recipientCertificate }, 'CLI_MEMBER_INVALID'],
  ])('refused: %s', async (_, change, code) => {
    const [answer] = await answersTo('tr34 open', [{ ...krd, token: token.derHex, ...change }]);
    expect(codeOf(answer!)).toBe(code);
  });

  test('revocation: the CRL of the CT_KDH is judged where it is given', async () => {
    const crl = crlIn(tokenOf('kdhCredentialToken').derHex);
    const lines = [
      { ...krd, token: token.derHex, crl },
      {
        ...krd,
        token: token.derHex,
        crl,
        senderCertificate: certificate('kdh1'),
        trustAnchors: certificate('kdhCa'),
      },
      { ...krd, token: token.derHex, crl, at: '2026-11-23T00:00:00Z' }, // before it was issued
    ];
    const [first, second, third] = await answersTo('tr34 open', lines);
    expect(first).toMatchObject({ revocationChecked: true });
    expect(second).toMatchObject({ revocationChecked: true });
    expect(codeOf(third!)).toBe('TR34_CRL_STALE');
  });

  test('show: every token, and every nonce', async () => {
    const kinds = {
      twoPassKeyToken: 'KT_KDH',
      kdhUnbindToken: 'UBT_KDH',
      kdhRebindToken: 'RBT_KDH',
      caUnbindToken: 'UBT_CA',
      caRebindToken: 'RBT_CA',
      kdhCredentialToken: 'CT_KDH',
      krdCredentialToken: 'CT_KRD',
    };
    const answers = await answersTo(
      'tr34 show',
      clover.tokens.map(({ derHex }) => ({ token: derHex })),
    );
    for (const [n, { kind, expected }] of clover.tokens.entries()) {
      expect(answers[n]).toMatchObject({ kind: kinds[kind as keyof typeof kinds], deviations: [] });
      expect(answers[n]!['nonce']).toBe(expected.nonce);
    }
    const nonces = await answersTo(
      'tr34 show',
      keyTokens.map(({ randomTokenDerHex }) => ({ token: randomTokenDerHex })),
    );
    expect(nonces).toMatchObject(
      keyTokens.map(({ expected }) => ({ kind: 'RT_KRD', nonce: expected.nonce })),
    );
  });

  test('verify: every kind, each with what it needs', async () => {
    const { recipientKey, ...receiver } = krd;
    const ofCa = {
      ...receiver,
      senderCertificate: certificate('krdCa'),
      kdhCertificate: certificate('kdh1'),
    };
    const withKdhCa = { trustAnchors: [certificate('root'), certificate('kdhCa')] };
    const lines = [
      { ...receiver, token: token.derHex, nonce: token.expected.nonce },
      { ...receiver, token: tokenOf('kdhUnbindToken').derHex },
      { ...receiver, token: tokenOf('kdhRebindToken').derHex },
      { ...ofCa, token: tokenOf('caUnbindToken').derHex },
      { ...ofCa, ...withKdhCa, token: tokenOf('caRebindToken').derHex },
      { token: tokenOf('kdhCredentialToken').derHex, ...withKdhCa },
      { token: tokenOf('krdCredentialToken').derHex, trustAnchors: certificate('krdCa') },
    ];
    const common = { dialect: 'strict', deviations: [], revocationChecked: false, nonceChecked: false };
    expect(await answersTo('tr34 verify', lines)).toEqual([
      { ...common, kind: 'KT_KDH', nonceChecked: true },
      { ...common, kind: 'UBT_KDH' },
      { ...common, kind: 'RBT_KDH' },
      { ...common, kind: 'UBT_CA' },
      { ...common, kind: 'RBT_CA' },
      { ...common, kind: 'CT_KDH', revocationChecked: true },
      { ...common, kind: 'CT_KRD' },
    ]);
  });

  test('verify: refusals', async () => {
    const { recipientKey, ...receiver } = krd;
    const unbind = tokenOf('caUnbindToken').derHex;
    const refused: [object, string][] = [
      [{ ...receiver, token: token.randomTokenDerHex }, 'CLI_TOKEN_UNSIGNED'],
      [{ ...receiver, token: flipLast(token.derHex) }, 'TR34_SIGNATURE_INVALID'],
      [{ ...receiver, token: token.derHex, nonce: '0011223344556677' }, 'TR34_NONCE_REFUSED'],
      [
        { ...receiver, token: token.derHex, recipientCertificate: certificate('kdh2') },
        'TR34_RECIPIENT_OTHER',
      ],
      [
        { ...receiver, token: token.derHex, trustAnchors: certificate('krdCa') },
        'TR34_CERTIFICATE_UNTRUSTED',
      ],
      [{ token: token.derHex, trustAnchors: certificate('root') }, 'CLI_MEMBER_MISSING'],
      [{ ...receiver, token: unbind }, 'CLI_MEMBER_MISSING'],
      [{ ...receiver, token: unbind, kdhCertificate: certificate('kdh2') }, 'TR34_SIGNER_UNKNOWN'],
      [
        {
          ...receiver,
          token: unbind,
          senderCertificate: certificate('krdCa'),
          kdhCertificate: certificate('kdh2'),
        },
        'TR34_IDENTIFIER_OTHER',
      ],
      [
        {
          token: tokenOf('krdCredentialToken').derHex,
          trustAnchors: certificate('krdCa'),
          senderCertificate: certificate('kdh1'),
        },
        'TR34_SIGNER_UNKNOWN',
      ],
    ];
    const answers = await answersTo(
      'tr34 verify',
      refused.map(([line]) => line),
    );
    expect(answers.map(codeOf)).toEqual(refused.map(([, code]) => code));
  });
});

describe('JSON lines', () => {
  const ksn = 'FFFF9876543210E00001';

  test('a line of a megabyte, and one beyond the limit, do not disturb their neighbours', async () => {
    const lines = [
      { ksn },
      { ksn: '0'.repeat(1e6) },
      { ksn },
      { ksn: '0'.repeat(17 * 1024 * 1024) },
      { ksn },
    ];
    const next = { ksn: 'FFFF9876543210E00002' };
    expect(await answersTo('dukpt next --scheme tdes', lines)).toEqual([
      next,
      { error: { code: 'DUKPT_KSN_LENGTH', message: 'KSN of TDES DUKPT: expected 10 bytes, got 500000' } },
      next,
      {
        error: {
          code: 'CLI_LINE_TOO_LONG',
          message: 'expected a line of at most 16777216 bytes, got a longer one',
        },
      },
      next,
    ]);
  });

  test('two hundred thousand lines pass through a heap that could not hold them', async () => {
    const child = spawn(process.execPath, ['--max-old-space-size=24', openkdh, 'dukpt', 'next', '--json']);
    const lines = 200_000;
    const line = `${JSON.stringify({ scheme: 'tdes', ksn })}\n`;
    const input = Readable.from(
      (function* () {
        for (let n = 0; n < lines; n += 1000) yield line.repeat(1000);
      })(),
    );
    let answered = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      answered += chunk.toString().split('\n').length - 1;
    });
    await Promise.all([pipeline(input, child.stdin), once(child, 'close')]);
    expect({ exitCode: child.exitCode, answered }).toEqual({ exitCode: 0, answered: lines });
  });

  test('an answer comes before the next line is sent', async () => {
    const child = start('dukpt next', '--json', '--scheme', 'tdes');
    for (const last of ['2', '3']) {
      child.stdin.write(`{"ksn":"FFFF9876543210E0000${Number(last) - 1}"}\n`);
      const [answer] = await once(child.stdout, 'data');
      expect(String(answer)).toBe(`{"ksn":"FFFF9876543210E0000${last}"}\n`);
    }
    child.stdin.end();
    await once(child, 'close');
  });

  test('a reader that goes away ends it quietly', async () => {
    const child = start('dukpt next', '--json', '--scheme', 'tdes');
    child.stdin.on('error', () => {}); // it goes away, too
    child.stdout.destroy();
    const complaints = text(child.stderr);
    const feed = () => {
      if (child.exitCode === null && child.stdin.writable) child.stdin.write(`{"ksn":"${ksn}"}\n`, feed);
    };
    feed();
    await once(child, 'close');
    expect({ exitCode: child.exitCode, complaints: await complaints }).toEqual({
      exitCode: 141,
      complaints: '',
    });
  });
});

/** The same hex with its last bit flipped. */
function flipLast(hex: string): string {
  const last = Number.parseInt(hex.slice(-1), 16) ^ 1;
  return hex.slice(0, -1) + last.toString(16).toUpperCase();
}

/** The CRL in a CT_KDH: what follows the tag [1] that ends the certificates. */
function crlIn(token: string): string {
  const certificateDer = Buffer.from(certificate('kdh1').replace(/-----[^-]+-----|\s/g, ''), 'base64');
  const certificateHex = certificateDer.toString('hex').toUpperCase();
  const tagged = token.slice(token.indexOf(certificateHex) + certificateHex.length); // A1 82 llll CertificateList
  const length = Number.parseInt(tagged.slice(4, 8), 16);
  return tagged.slice(8, 8 + 2 * length);
}
