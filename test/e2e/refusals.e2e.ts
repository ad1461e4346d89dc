import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { connectPayShield, type Hsm } from '@openkdh/hsm-client';
import { certificatePem, createCertificationRequest, issueCertificate } from '@openkdh/pki';
import pg from 'pg';
import { hsmSocketOf } from '../../apps/launcher/src/parts.ts';
import { provisionKeys } from '../../apps/launcher/src/provision.ts';
import {
  type Enrolled,
  enrolTerminal,
  HandDrivenTerminal,
  type UpgradeOutcome,
} from '../support/hand-driven-terminal.ts';
import { Stack } from '../support/stack.ts';

/** What each terminal of the fleet does wrong, and what the history must say of it. */
const refused: [misbehaviour: string, code: string][] = [
  ['no-certificate', 'CERT_REQUIRED'],
  ['foreign-certificate', 'CERT_UNTRUSTED'],
  ['wrong-purpose-certificate', 'WRONG_PURPOSE_CERT'],
  ['wrong-path', 'UNKNOWN_PATH'],
  ['no-subprotocol', 'SUBPROTOCOL_REQUIRED'],
  ['wrong-serial', 'CERT_MISMATCH'],
  ['silent', 'TIMEOUT'],
  ['replay-frame', 'SEQ'],
  ['out-of-order', 'SEQ'],
  ['garbage', 'BAD_MESSAGE'],
  ['malformed', 'BAD_MESSAGE'],
  ['binary', 'BAD_MESSAGE'],
  ['unknown-type', 'UNSUPPORTED_TYPE'],
  ['oversize', 'TOO_LARGE'],
  ['wrong-signature', 'RESULT_SIGNATURE'],
  ['flip-result', 'RESULT_SIGNATURE'],
  ['conflicting-result', 'DUPLICATE_RESULT_DIFFERS'],
];
const ended: [misbehaviour: string, state: string, reason: string][] = [
  ['flip-block', 'FAILED', 'TERMINAL_4001'],
  ['wrong-kcv', 'QUARANTINED', 'KCV_MISMATCH'],
  ['wrong-plan-hash', 'QUARANTINED', 'RESULT_PLAN_HASH'],
  ['wrong-nonce', 'QUARANTINED', 'RESULT_NONCE'],
  ['missing-slot', 'QUARANTINED', 'RESULT_SLOTS'],
];
const confirmed = [
  'duplicate-result',
  'disconnect-at=LOAD_RESULT*1',
  'disconnect-at=LOAD_KEYS*1',
  'disconnect-at=LOAD_ACK*1',
  'disconnect-at=BIND*1',
  'disconnect-at=LOAD_KBPK*1',
  'slow=200',
];

const HONEST = 3;
const cast = [...refused.map(([name]) => name), ...ended.map(([name]) => name), ...confirmed];
const serialOf = (misbehaviour: string) => `SIM-${String(cast.indexOf(misbehaviour) + 1).padStart(6, '0')}`;

describe('what is refused', () => {
  let stack: Stack;
  let client: pg.Client;
  let hsm: Hsm;
  const rows = async <Row>(text: string, parameters: unknown[] = []) =>
    (await client.query(text, parameters)).rows as Row[];

  beforeAll(async () => {
    stack = await Stack.start();
    client = new pg.Client({ connectionString: stack.databaseUrl });
    await client.connect();
    hsm = await connectPayShield({ endpoints: [{ transport: 'unix', path: hsmSocketOf(stack.folder) }] });
    await stack.startFleet(
      cast.length + HONEST,
      cast.flatMap((misbehaviour) => ['--misbehave', `${misbehaviour}@${serialOf(misbehaviour)}`]),
    );
  });
  afterAll(async () => {
    await hsm.close();
    await client.end();
    await stack.stop();
  });

  test('terminals that keep to the protocol get their keys all the same', async () => {
    const good = [
      ...confirmed.map(serialOf),
      ...Array.from({ length: HONEST }, (_, n) => `SIM-${String(cast.length + n + 1).padStart(6, '0')}`),
    ];
    await stack.until('the honest terminals are loaded', async () => {
      const loaded = await rows<{ serial: string }>(
        `select t.serial from attempt a join terminal t on t.id = a.terminal_id
           where a.kind = 'KEYS' and a.state = 'CONFIRMED'`,
      );
      return good.every((serial) => loaded.some((row) => row.serial === serial));
    });
  });

  test.each(refused)('%s is refused with %s and recorded', async (misbehaviour, code) => {
    const serial = serialOf(misbehaviour);
    await stack.until(`${code} of ${serial} is recorded`, async () => {
      const events = await rows<{ actor: string; body: { code: string; subject?: string } }>(
        `select actor, body from audit_event where type = 'terminal.refused' and body ->> 'code' = $1`,
        [code],
      );
      // Before its certificate is known, a client has no name but what stands in the certificate.
      const anonymous = ['CERT_REQUIRED', 'UNKNOWN_PATH', 'SUBPROTOCOL_REQUIRED'].includes(code);
      return events.some(
        (event) => anonymous || event.actor.endsWith(serial) || event.body.subject?.includes(serial),
      );
    });
  });

  test.each(ended)('%s ends the attempt: %s, %s', async (misbehaviour, state, reason) => {
    await stack.until(`the attempt of ${misbehaviour} has ended`, async () => {
      const [attempt] = await rows<{ state: string; reason_code: string }>(
        `select a.state, a.reason_code from attempt a join terminal t on t.id = a.terminal_id
         where t.serial = $1 and a.state in ('FAILED', 'QUARANTINED')`,
        [serialOf(misbehaviour)],
      );
      return attempt?.state === state && attempt.reason_code === reason;
    });
  });

  test('a result that does not match opens an incident; a refused load burns its KSNs', async () => {
    const incidents = await rows<{ serial: string; kind: string }>(
      'select t.serial, i.kind from incident i join terminal t on t.id = i.terminal_id',
    );
    expect(incidents).toEqual(
      expect.arrayContaining([
        { serial: serialOf('wrong-kcv'), kind: 'RESULT_MISMATCH' },
        { serial: serialOf('conflicting-result'), kind: 'RESULT_CONTRADICTION' },
      ]),
    );
    const burned = await rows(
      `select 1 from attempt_key k join attempt a on a.id = k.attempt_id join terminal t on t.id = a.terminal_id
       where t.serial = $1 and k.burned`,
      [serialOf('flip-block')],
    );
    expect(burned).toHaveLength(2);
  });

  describe('by its certificate', () => {
    /** A certificate of the Terminal CA that the KDH did not issue by enrolment. */
    async function issued(serial: string, from: Date, to: Date): Promise<Enrolled> {
      const [ca] = await rows<{ certificate: Buffer; private_key: Buffer; public_key: Buffer }>(
        `select certificate, private_key, public_key from authority where role = 'terminal-ca'`,
      );
      const [root] = await rows<{ certificate: Buffer }>(
        `select certificate from authority where role = 'root'`,
      );
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const certificate = await issueCertificate('terminal-tls', {
        issuer: {
          certificate: ca!.certificate,
          signer: {
            publicKey: ca!.public_key,
            sign: (data) => hsm.sign({ privateKey: ca!.private_key, data, hash: 'sha256' }),
          },
        },
        publicKey: publicKey.export({ type: 'spki', format: 'der' }),
        commonName: serial,
        notBefore: from,
        notAfter: to,
      });
      return {
        id: '',
        serial,
        tls: {
          key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
          cert: certificatePem(certificate),
          ca: certificatePem(root!.certificate),
        },
      };
    }

    /** Status and code of the refusal of an upgrade, or 101. */
    async function connect(terminal: Enrolled): Promise<UpgradeOutcome> {
      const connection = new HandDrivenTerminal(terminal, stack.terminalUrl);
      const outcome = await connection.upgrade;
      connection.socket.terminate();
      return outcome;
    }

    const enrol = (serial: string) => enrolTerminal(stack, serial);
    const day = 86_400_000;

    test('enrolled: admitted', async () => expect((await connect(await enrol('CERT-OK'))).status).toBe(101));

    test('not on the whitelist, although the Terminal CA issued it', async () => {
      const stranger = await issued('CERT-STRANGER', new Date(Date.now() - day), new Date(Date.now() + day));
      expect(await connect(stranger)).toMatchObject({ status: 403, code: 'NOT_WHITELISTED', number: 2001 });
    });

    test('expired', async () => {
      const old = await issued('CERT-OLD', new Date(Date.now() - 2 * day), new Date(Date.now() - day));
      expect(await connect(old)).toMatchObject({ status: 401, code: 'CERT_EXPIRED', number: 2003 });
    });

    test('revoked', async () => {
      const terminal = await enrol('CERT-REVOKED');
      await stack.api.post(`/terminals/${terminal.id}/revoke`, { reason: 'stolen' });
      expect(await connect(terminal)).toMatchObject({ status: 403, code: 'CERT_REVOKED', number: 2004 });
    });

    test('suspended, and admitted again when resumed', async () => {
      const terminal = await enrol('CERT-SUSPENDED');
      await stack.api.post(`/terminals/${terminal.id}/suspend`, { reason: 'lost' });
      expect(await connect(terminal)).toMatchObject({ status: 403, code: 'SUSPENDED', number: 2005 });
      await stack.api.post(`/terminals/${terminal.id}/resume`, { reason: 'found' });
      expect((await connect(terminal)).status).toBe(101);
    });
  });

  describe('by the REST API', () => {
    const post = (path: string, body: unknown) =>
      fetch(`${stack.httpUrl}/api/v1${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${stack.token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });

    const makeKeys = (): [KeyObject, KeyObject, KeyObject] => [
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
      generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
    ];
    const enrolment = async (serial: string, keys: KeyObject[]) => {
      const [tls, encryption, signing] = await Promise.all(
        keys.map((key) => createCertificationRequest({ serial, key })),
      );
      return {
        serial,
        model: 'test',
        profileId: await provisionKeys(stack.api),
        csrs: { tls, encryption, signing },
      };
    };

    test('a public key that another terminal has, a serial number that is taken', async () => {
      const keys = makeKeys();
      const first = await post('/terminals', await enrolment('KEYS-1', keys));
      expect(first.status).toBe(201);
      const again = await post('/terminals', await enrolment('KEYS-2', keys));
      expect([again.status, await again.json()]).toMatchObject([409, { code: 'KEY_REUSED' }]);
      const sameSerial = await post('/terminals', await enrolment('KEYS-1', makeKeys()));
      expect([sameSerial.status, await sameSerial.json()]).toMatchObject([409, { code: 'SERIAL_TAKEN' }]);
      // The answer to the first may have been lost: asked with the same keys, it is given again.
      const repeated = await post('/terminals', await enrolment('KEYS-1', keys));
      expect([repeated.status, await repeated.json()]).toEqual([201, await first.json()]);
    });

    test.each<[string, string, unknown, number, string]>([
      [
        '/bdks',
        'AES scheme with a TDES key',
        { name: 'x', scheme: 'AES', algorithm: 'T2' },
        400,
        'VALIDATION',
      ],
      [
        '/bdks',
        'unknown field',
        { name: 'x', scheme: 'AES', algorithm: 'A128', extra: 1 },
        400,
        'VALIDATION',
      ],
      ['/profiles', 'no slots', { name: 'x', slots: [] }, 400, 'VALIDATION'],
      ['/loads', 'no reason', { terminalId: '0197fa2c-0000-7000-8000-000000000001' }, 400, 'VALIDATION'],
      [
        '/loads',
        'unknown terminal',
        { terminalId: '0197fa2c-0000-7000-8000-000000000001', reason: 'test' },
        404,
        'TERMINAL_UNKNOWN',
      ],
      [
        '/loads/batch',
        'a terminal twice',
        { terminalIds: Array(2).fill('0197fa2c-0000-7000-8000-000000000001'), reason: 'test' },
        400,
        'VALIDATION',
      ],
      ['/terminals/nonsense/revoke', 'no id', { reason: 'test' }, 400, 'VALIDATION'],
      ['/nowhere', 'no such path', {}, 404, 'NOT_FOUND'],
    ])('%s: %s', async (path, _, body, status, code) => {
      const response = await post(path, body);
      expect([response.status, await response.json()]).toMatchObject([status, { code, status }]);
    });

    test('a profile whose key would be stronger than its KBPK', async () => {
      const bdk = await stack.api.post<{ id: string }>('/bdks', {
        name: 'A256',
        scheme: 'AES',
        algorithm: 'A256',
      });
      const slot = { slot: 'PIN', bdkId: bdk.id, algorithm: 'A256', keyBlockVersion: 'D' };
      const response = await post('/profiles', { name: 'too strong', slots: [slot] });
      expect([response.status, await response.text()]).toMatchObject([400, expect.stringContaining('18-3')]);
    });
  });
});
