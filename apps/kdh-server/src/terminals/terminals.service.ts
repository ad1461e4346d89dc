import { Injectable } from '@nestjs/common';
import {
  type Certificate,
  type CertificateInput,
  certificatePem,
  fingerprint,
  type IssuedProfileName,
  issueCertificate,
  type Purpose,
  readCertificate,
  readCertificationRequest,
  spkiFingerprint,
} from '@openkdh/pki';
import { v7 as uuidv7 } from 'uuid';
import { appendAuditEvents } from '../audit/audit-event.ts';
import { Database, type Sql } from '../database/database.ts';
import { GroupCommit } from '../database/group-commit.ts';
import { Problem, violates } from '../http/problem.ts';
import type { Operator } from '../operators/operators.ts';
import { Authorities } from '../pki/authorities.ts';
import { changeTerminalState, type TerminalState } from './terminal-state.ts';
import type { EnrolledTerminal, EnrolTerminal, ListTerminals, Terminal } from './terminals.schemas.ts';

interface PurposeOfTerminal {
  csr: keyof EnrolTerminal['csrs'];
  stored: 'TLS' | 'ENCRYPTION' | 'SIGNING';
  profile: IssuedProfileName;
  purpose: Purpose;
}

/** The three certificates of a terminal, one purpose each (PCI PIN 19-12). */
const PURPOSES: PurposeOfTerminal[] = [
  { csr: 'tls', stored: 'TLS', profile: 'terminal-tls', purpose: 'tls-client' },
  { csr: 'encryption', stored: 'ENCRYPTION', profile: 'terminal-encryption', purpose: 'krd-encryption' },
  { csr: 'signing', stored: 'SIGNING', profile: 'terminal-signing', purpose: 'result-signing' },
];

/** A request whose proof of possession holds. */
interface ProvenKey {
  purpose: PurposeOfTerminal;
  publicKey: Uint8Array;
}

interface IssuedCertificate {
  stored: PurposeOfTerminal['stored'];
  certificate: Certificate;
  publicKey: Uint8Array;
}

interface Enrolment {
  id: string;
  request: EnrolTerminal;
  certificates: IssuedCertificate[];
  actor: string;
}

const COLUMNS = `t.id, t.serial, t.model, t.hardware, t.firmware, t.profile_id as "profileId", t.state,
  t.state_reason as "stateReason", t.bound_at as "boundAt", t.created_at as "createdAt",
  exists (select 1 from terminal_session s where s.terminal_id = t.id and s.closed_at is null) as connected`;

/** The whitelist: who may connect, with which certificates. */
@Injectable()
export class TerminalsService {
  private readonly enrolments = new GroupCommit<Enrolment, undefined>((items) =>
    this.commitEnrolments(items),
  );

  constructor(
    private readonly authorities: Authorities,
    private readonly database: Database,
  ) {}

  /**
   * Checks the proofs of possession, issues the certificates in the HSM, and puts the terminal on the whitelist. Asked
   * again with the same keys, because the answer was lost, it answers with what was issued then.
   */
  async enrol(request: EnrolTerminal, by: Operator): Promise<EnrolledTerminal> {
    const keys = PURPOSES.map((purpose) => provenKey(request, purpose));
    if (await this.isTaken(request)) {
      const earlier = await this.enrolledWith(request, keys);
      if (earlier) return earlier;
      throw serialTaken();
    }
    const certificates = await Promise.all(keys.map((key) => this.issue(request.serial, key)));
    const enrolment = { id: uuidv7(), request, certificates, actor: by.actor };
    try {
      await this.enrolments.add(enrolment);
    } catch (error) {
      const meanwhile = await this.enrolledWith(request, keys);
      if (meanwhile) return meanwhile;
      throw refusalOf(error);
    }
    return this.answer(enrolment.id, request.serial, 'ACTIVE', certificates);
  }

  list({ serial, state, after, limit }: ListTerminals): Promise<Terminal[]> {
    const parameters: unknown[] = [limit];
    const where = [
      serial && `t.serial = $${parameters.push(serial)}`,
      state && `t.state = $${parameters.push(state)}`,
      after && `t.id > $${parameters.push(after)}`,
    ].filter(Boolean);
    const condition = where.length > 0 ? `where ${where.join(' and ')}` : '';
    return this.database.query<Terminal>(
      `select ${COLUMNS} from terminal t ${condition} order by t.id limit $1`,
      parameters,
    );
  }

  suspend(id: string, reason: string, by: Operator): Promise<Terminal> {
    return this.changeState(id, 'SUSPENDED', reason, by);
  }

  resume(id: string, reason: string, by: Operator): Promise<Terminal> {
    return this.changeState(id, 'ACTIVE', reason, by);
  }

  /** For good: the certificates are revoked with it, open attempts that were not sent end, its session is closed. */
  revoke(id: string, reason: string, by: Operator): Promise<Terminal> {
    return this.changeState(id, 'REVOKED', reason, by);
  }

  private changeState(id: string, to: TerminalState, reason: string, by: Operator): Promise<Terminal> {
    return this.database.transaction(async (sql) => {
      await changeTerminalState(sql, { id, to, reason, actor: by.actor });
      const [changed] = await sql.query<Terminal>(`select ${COLUMNS} from terminal t where t.id = $1`, [id]);
      return changed as Terminal;
    });
  }

  /** The enrolment of this terminal with these very keys, if there was one. */
  private async enrolledWith(
    { serial, model, profileId }: EnrolTerminal,
    keys: ProvenKey[],
  ): Promise<EnrolledTerminal | undefined> {
    const rows = await this.database.query<{
      id: string;
      state: Terminal['state'];
      stored: PurposeOfTerminal['stored'];
      spki: string;
      certificate: Buffer;
    }>(
      `select t.id, t.state, c.purpose as stored, c.spki_sha256 as spki, c.certificate
       from terminal t join terminal_certificate c on c.terminal_id = t.id and c.revoked_at is null
       where t.serial = $1 and t.model = $2 and t.profile_id = $3`,
      [serial, model, profileId],
    );
    const certificates = keys.flatMap(({ purpose: { stored }, publicKey }) =>
      rows.filter((row) => row.stored === stored && row.spki === spkiFingerprint(publicKey)),
    );
    const [first] = certificates;
    if (!first || certificates.length < keys.length) return undefined;
    return this.answer(first.id, serial, first.state, certificates);
  }

  private answer(
    id: string,
    serial: string,
    state: Terminal['state'],
    certificates: { stored: PurposeOfTerminal['stored']; certificate: CertificateInput }[],
  ): EnrolledTerminal {
    const pemOf = (stored: PurposeOfTerminal['stored']) =>
      certificatePem((certificates.find((c) => c.stored === stored) as IssuedCertificate).certificate);
    const pem = (role: 'root' | 'kdh-ca' | 'terminal-ca') =>
      certificatePem(this.authorities.issuer(role).certificate);
    return {
      id,
      serial,
      state,
      certificates: { tls: pemOf('TLS'), encryption: pemOf('ENCRYPTION'), signing: pemOf('SIGNING') },
      chain: pem('terminal-ca') + pem('root'),
      kdhTrustAnchor: pem('kdh-ca'),
      gatewayTrustAnchor: pem('root'),
    };
  }

  /** Whether a terminal with this serial number is enrolled. */
  private async isTaken({ serial, profileId }: EnrolTerminal): Promise<boolean> {
    const [found] = await this.database.query<{ taken: boolean; profile: boolean }>(
      `select exists (select 1 from terminal where serial = $1) as taken,
         exists (select 1 from profile where id = $2) as profile`,
      [serial, profileId],
      'terminal-taken',
    );
    if (found?.taken) return true;
    if (!found?.profile) throw new Problem(422, 'PROFILE_UNKNOWN', 'no profile has this id');
    return false;
  }

  private commitEnrolments(enrolments: Enrolment[]): Promise<undefined[]> {
    return this.database.transaction(async (sql) => {
      await sql.query(
        `insert into terminal (id, serial, model, profile_id)
         select * from unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[])`,
        [
          enrolments.map(({ id }) => id),
          enrolments.map(({ request }) => request.serial),
          enrolments.map(({ request }) => request.model),
          enrolments.map(({ request }) => request.profileId),
        ],
        'insert-terminals',
      );
      await insertCertificates(sql, enrolments);
      await appendAuditEvents(
        sql,
        enrolments.map(({ id, request, certificates, actor }) => ({
          type: 'terminal.enrolled',
          actor,
          terminalId: id,
          body: {
            serial: request.serial,
            model: request.model,
            profile: request.profileId,
            certificates: Object.fromEntries(certificates.map((c) => [c.stored, fingerprint(c.certificate)])),
          },
        })),
      );
      return enrolments.map(() => undefined);
    });
  }

  private async issue(serial: string, { purpose, publicKey }: ProvenKey): Promise<IssuedCertificate> {
    const der = await issueCertificate(purpose.profile, {
      issuer: this.authorities.issuer('terminal-ca'),
      publicKey,
      commonName: serial,
      notBefore: new Date(Date.now() - 60_000),
    });
    return { stored: purpose.stored, certificate: readCertificate(der), publicKey };
  }
}

function provenKey({ serial, csrs }: EnrolTerminal, purpose: PurposeOfTerminal): ProvenKey {
  const request = readCertificationRequest(csrs[purpose.csr], purpose.purpose);
  if (request.serial !== serial) {
    throw new Problem(422, 'CSR_SERIAL', `the ${purpose.csr} request is for another serial number`);
  }
  return { purpose, publicKey: request.publicKey };
}

async function insertCertificates(sql: Sql, enrolments: Enrolment[]): Promise<void> {
  const rows = enrolments.flatMap(({ id, certificates }) =>
    certificates.map((issued) => ({ id, ...issued })),
  );
  await sql.query(
    `insert into terminal_certificate
       (id, terminal_id, purpose, fingerprint, serial_number, spki_sha256, certificate, not_before, not_after)
     select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[],
       $8::timestamptz[], $9::timestamptz[])`,
    [
      rows.map(() => uuidv7()),
      rows.map(({ id }) => id),
      rows.map(({ stored }) => stored),
      rows.map(({ certificate }) => fingerprint(certificate)),
      rows.map(({ certificate }) => certificate.serialNumber),
      rows.map(({ publicKey }) => spkiFingerprint(publicKey)),
      rows.map(({ certificate }) => Buffer.from(certificate.der)),
      rows.map(({ certificate }) => certificate.notBefore),
      rows.map(({ certificate }) => certificate.notAfter),
    ],
    'insert-certificates',
  );
}

function serialTaken(): Problem {
  return new Problem(409, 'SERIAL_TAKEN', 'a terminal with this serial number is enrolled');
}

function refusalOf(error: unknown): unknown {
  if (violates(error, 'terminal_serial')) return serialTaken();
  if (violates(error, 'terminal_certificate_spki_sha256')) {
    // PCI PIN 19-9, 20-1: a private key is one terminal's, for one purpose.
    return new Problem(409, 'KEY_REUSED', 'one of these public keys is in use already; make new key pairs');
  }
  return error;
}
