/** Every published vector through the `openkdh` command as it is built, as JSON lines. */
import { describe, expect, test } from '@jest/globals';
import { clover } from '../../libs/tr34/test/pki.ts';
import { answersTo } from '../cli/answers.ts';
import { aesVectors, tdesVectors } from '../support/dukpt-vectors.ts';
import { keyBlockVectors } from '../support/tr31-vectors.ts';

const certificate = (member: keyof typeof clover.pki) => clover.pki[member].certificatePem;
const tokenOf = (kind: string) => clover.tokens.find((token) => token.kind === kind)!;
const keyTokens = clover.tokens.filter(({ kind }) => kind === 'twoPassKeyToken');

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

  test('verify: a rebind is checked for revocation when both certificates are', async () => {
    const { recipientKey, senderCertificate, ...receiver } = krd;
    const rebind = { ...receiver, crl: crlIn(tokenOf('kdhCredentialToken').derHex) };
    const lines = [
      { ...rebind, token: tokenOf('kdhRebindToken').derHex, senderCertificate },
      {
        ...rebind,
        token: tokenOf('caRebindToken').derHex,
        senderCertificate: certificate('krdCa'), // an anchor, of which no CRL can say anything
        kdhCertificate: certificate('kdh1'),
        trustAnchors: [certificate('krdCa'), certificate('kdhCa')],
      },
    ];
    expect(await answersTo('tr34 verify', lines)).toMatchObject([
      { kind: 'RBT_KDH', revocationChecked: true },
      { kind: 'RBT_CA', revocationChecked: false },
    ]);
  });

  test('verify: refusals', async () => {
    const { recipientKey, ...receiver } = krd;
    const crl = crlIn(tokenOf('kdhCredentialToken').derHex);
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
      // A CRL was given, so one of the KRDs' CA is asked for.
      [
        { token: tokenOf('krdCredentialToken').derHex, trustAnchors: certificate('krdCa'), crl },
        'TR34_CRL_ABSENT',
      ],
    ];
    const answers = await answersTo(
      'tr34 verify',
      refused.map(([line]) => line),
    );
    expect(answers.map(codeOf)).toEqual(refused.map(([, code]) => code));
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
